"""What conda's packages are called in a Python index. Pure.

Most names are the same. `PYTHON_NAMES` has the well-known ones that are not, as the channels conda-forge and `defaults`
have them. What is no Python package is told by its name, or by the shape of its name. A name in neither is taken as it
stands: whether an index has it is seen when it is looked for.
"""

import re
from collections.abc import Mapping

PYTHON_NAMES: Mapping[str, str] = {
    "airflow": "apache-airflow",
    "antlr-python-runtime": "antlr4-python3-runtime",
    "brotli-python": "brotli",
    "cuda-python": "cuda-python",
    "dask-core": "dask",
    "faiss": "faiss-cpu",
    "geopandas-base": "geopandas",
    "google-api-core-grpc": "google-api-core",
    "google-cloud-bigquery-core": "google-cloud-bigquery",
    "google-cloud-storage-core": "google-cloud-storage",
    "gurobi": "gurobipy",
    "keras-base": "keras",
    "keras-gpu": "keras",
    "libarchive-c": "libarchive-c",
    "libcst": "libcst",
    "libpysal": "libpysal",
    "librosa": "librosa",
    "libtmux": "libtmux",
    "libvirt-python": "libvirt-python",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "numpy-base": "numpy",
    "opencv": "opencv-python",
    "ortools-python": "ortools",
    "pil": "pillow",
    "py-lief": "lief",
    "py-opencv": "opencv-python",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "pyarrow-core": "pyarrow",
    "pyg": "torch-geometric",
    "pymc-base": "pymc",
    "pyqt": "pyqt5",
    "pysoundfile": "soundfile",
    "pytables": "tables",
    "pytensor-base": "pytensor",
    "python-annoy": "annoy",
    "python-avro": "avro",
    "python-blosc": "blosc",
    "python-blosc2": "blosc2",
    "python-build": "build",
    "python-clang": "clang",
    "python-confluent-kafka": "confluent-kafka",
    "python-duckdb": "duckdb",
    "python-eccodes": "eccodes",
    "python-fastjsonschema": "fastjsonschema",
    "python-flatbuffers": "flatbuffers",
    "python-graphviz": "graphviz",
    "python-hnswlib": "hnswlib",
    "python-igraph": "igraph",
    "python-installer": "installer",
    "python-isal": "isal",
    "python-kaleido": "kaleido",
    "python-libarchive-c": "libarchive-c",
    "python-libsass": "libsass",
    "python-lmdb": "lmdb",
    "python-pdal": "pdal",
    "python-tzdata": "tzdata",
    "python-wget": "wget",
    "python-xxhash": "xxhash",
    "python-zlib-ng": "zlib-ng",
    "python-zstd": "zstd",
    "pytorch": "torch",
    "pytorch-cluster": "torch-cluster",
    "pytorch-cpu": "torch",
    "pytorch-geometric": "torch-geometric",
    "pytorch-gpu": "torch",
    "pytorch-scatter": "torch-scatter",
    "pytorch-sparse": "torch-sparse",
    "ray-core": "ray",
    "ray-default": "ray",
    "ray-serve": "ray",
    "ray-tune": "ray",
    "redis-py": "redis",
    "seaborn-base": "seaborn",
    "sentencepiece-python": "sentencepiece",
    "snakemake-minimal": "snakemake",
    "tensorflow-base": "tensorflow",
    "tensorflow-cpu": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "tiledb-py": "tiledb",
    "uvicorn-standard": "uvicorn",
    "vtk-base": "vtk",
}
"""Conda's name and the index's, both normalized; also of Python packages whose names have the shape of a library's."""

_CONDAS_OWN = frozenset({"anaconda", "conda", "conda-build", "mamba", "micromamba", "nb-conda", "nb-conda-kernels"})

_SYSTEM_NAMES = """
    abseil-cpp alsa-lib aom arrow-cpp atk autoconf automake bash bcftools bedtools binutils bison blosc boost
    boost-cpp bowtie2 brotli brotli-bin bwa bzip2 c-ares c-blosc2 c-compiler ca-certificates cairo cfitsio charls
    cmake coin-or-cbc coreutils curl cxx-compiler cyrus-sasl dav1d dbus double-conversion
    eigen expat fastqc ffmpeg fftw flex fmt fontconfig fortran-compiler freetype freexl gdk-pixbuf geos geotiff
    gettext gflags ghostscript giflib git git-lfs glib glog glpk gmp gnutls go graphite2 graphviz grpc-cpp gsl gtk2
    gtk3 harfbuzz hdf4 hdf5 htop icu igraph imagemagick ipopt java-jdk jpeg jq json-c jxrlib kealib
    keyutils krb5 lame lcms2 lerc llvm lmdb lz4-c m4 make maven metis
    mongodb mpc mpfr mpi mpich mysql nano ncurses nettle ninja nlohmann-json nltk-data nodejs nspr nss
    openh264 openjdk openjpeg openmpi openssl orc p11-kit pango parquet-cpp pcre pcre2 perl pixman pkg-config poppler
    poppler-data portaudio postgresql proj pthread-stubs pybind11-abi python-abi qhull qt
    qt-main r-base rapidjson rav1e rdma-core re2 readline redis redis-server rust s2n samtools scotch sed sleef snappy
    sox spatialite spdlog sqlite suitesparse sundials svt-av1 tar tesseract texlive-core thrift-cpp tk tmux tree
    tzdata ucx unzip uriparser utf8proc vim wget x264 x265 xerces-c xxhash xz yaml yaml-cpp yarn zeromq zfp zip zlib
    zlib-ng zstd
"""
_OF_THE_SYSTEM = frozenset(_SYSTEM_NAMES.split())

_WHEELS_NAMES = """
    blas blas-devel cudatoolkit cudnn cutensor cutensornet intel-openmp llvm-openmp magma mkl mkl-devel mkl-include nccl
    openblas pytorch-cuda pytorch-mutex tbb
"""
"""What conda packs for itself and wheels hold, or have in packages that they need (`nvidia-cublas-cu12`)."""
_OF_WHEELS = frozenset(_WHEELS_NAMES.split())

_SYSTEM = "it is a library or a program of the system: install it in the Dockerfile"
_BROUGHT = "wheels hold it, or need packages that do: most likely there is nothing to install"
_SHAPES = (
    (re.compile(r"r-|bioconductor-"), "it is a package of R"),
    (
        re.compile(r"cuda-(?!nvcc|gdb|compiler)|libcu(?:blas|dnn|dart|fft|file|rand|solver|sparse)|libnvj|libnpp"),
        _BROUGHT,
    ),
    (re.compile(r"lib(?:open|c)?blas|liblapack|libgomp|libmagma|libtorch"), _BROUGHT),
    (re.compile(r"lib|cuda-|aws-c|aws-sdk|xorg-|xcb-|gst|gcc|gxx|gfortran|sysroot|kernel-headers|fonts?-|ttf-|-"), ""),
    (re.compile(r".*(?:-linux-64|-linux-aarch64|-cpp|-ng|-mutex)$"), ""),
)


def why_not_python(name: str) -> str:
    """Why conda's package of a normalized name is no Python package; "" where it is one."""
    if name in PYTHON_NAMES:
        return ""
    if name in _CONDAS_OWN:
        return "it is conda's own"
    if name in _OF_WHEELS:
        return _BROUGHT
    if name in _OF_THE_SYSTEM:
        return _SYSTEM
    return next((why or _SYSTEM for shape, why in _SHAPES if shape.match(name)), "")


def python_name(name: str) -> str:
    """The normalized name in a Python index of conda's package of a normalized name."""
    return PYTHON_NAMES.get(name, name)
