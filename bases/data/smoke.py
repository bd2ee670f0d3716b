"""Does real work with what `data` brings: arrays, frames, Arrow, models, a plot, SQL, a kernel. No network.

Run it with the image's Python; it exits non-zero and says which check failed.
"""

import io
import os
import sys
import tempfile
from pathlib import Path


def expect(what: str, got: object, wanted: object) -> None:
    """End the run unless `got` is what was `wanted`."""
    if got != wanted:
        sys.exit(f"smoke: {what}: got {got!r}, wanted {wanted!r}")


def check_arrays() -> None:
    import numpy as np
    from scipy import linalg

    matrix = np.array([[4.0, 1.0], [1.0, 3.0]])
    solved = np.linalg.solve(matrix, np.array([1.0, 2.0]))
    expect("numpy solves", bool(np.allclose(matrix @ solved, [1.0, 2.0])), True)
    lower = linalg.cholesky(matrix, lower=True)
    expect("scipy factorises", bool(np.allclose(lower @ lower.T, matrix)), True)


def check_frames(folder: Path) -> None:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow.parquet as pq

    frame = pd.DataFrame({"city": ["Bonn", "Köln", "Bonn"], "visits": [1, 2, 3]})
    expect("pandas", frame.groupby("city")["visits"].sum().to_dict(), {"Bonn": 4, "Köln": 2})
    parquet = folder / "visits.parquet"
    frame.to_parquet(parquet)
    expect("pyarrow", pq.read_table(parquet).column("visits").to_pylist(), [1, 2, 3])
    lazy = pl.scan_parquet(parquet).group_by("city").agg(pl.col("visits").sum()).sort("city")
    expect("polars", lazy.collect().rows(), [("Bonn", 4), ("Köln", 2)])
    query = "select city, sum(visits)::int from read_parquet(?) group by city order by city"
    expect("duckdb", duckdb.execute(query, [str(parquet)]).fetchall(), [("Bonn", 4), ("Köln", 2)])
    sheet = folder / "visits.xlsx"
    frame.to_excel(sheet, index=False)
    expect("openpyxl", pd.read_excel(sheet)["visits"].tolist(), [1, 2, 3])


def check_model() -> None:
    import numpy as np
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    points = np.arange(20.0).reshape(-1, 1)
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(points, 3 * points.ravel() + 1)
    expect("scikit-learn", round(float(model.predict([[100.0]])[0]), 6), 301.0)


def check_plot() -> None:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots()
    axes.plot([1, 2, 3], [1, 4, 9])
    axes.set_title("smoke")
    image = io.BytesIO()
    figure.savefig(image, format="png")
    expect("matplotlib", image.getvalue()[:8], b"\x89PNG\r\n\x1a\n")


def check_notebook_kernel() -> None:
    import ipykernel.kernelspec
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    expect("ipykernel", ipykernel.kernelspec.get_kernel_dict()["language"], "python")
    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    cell = shell.run_cell("assert sum(range(4)) == 6", silent=True)
    expect("ipython", cell.success, True)


def main() -> None:
    """Run every check, in a folder that is removed."""
    with tempfile.TemporaryDirectory() as folder:
        # for users without a home, and so that nothing of the run stays
        os.environ |= {"MPLCONFIGDIR": folder, "IPYTHONDIR": folder}
        check_arrays()
        check_frames(Path(folder))
        check_model()
        check_plot()
        check_notebook_kernel()


if __name__ == "__main__":
    main()
