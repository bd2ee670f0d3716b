"""Print a small report."""

import pandas as pd

sales = pd.DataFrame({"city": ["Oslo", "Rome", "Oslo"], "sold": [3, 5, 4]})
print(sales.groupby("city").sum().to_csv(), end="")
