"""What pyproject.toml can't say: C{twisted.plugins} has no C{__init__}, and data lies beside the packages."""

from pathlib import Path

from setuptools import find_packages, setup

# Where each directory of data goes; setuptools wants every directory named as a package.
DATA = {"octavia_tx.sql": "sql", "octavia_tx.templates": "templates"}


def directories(package: str, root: str) -> dict[str, str]:
    """A data directory and those in it, by package name."""
    inner = {f"{package}.{path.name}": str(path) for path in sorted(Path(root).iterdir()) if path.is_dir()}
    return {package: root, **inner}


data = {name: path for package, root in DATA.items() for name, path in directories(package, root).items()}
setup(
    packages=[
        *find_packages(include=["octavia_tx", "octavia_tx.*", "amphora", "amphora.*"]),
        "twisted.plugins",
        *data,
    ],
    package_dir=data,
    package_data={"octavia_tx": ["py.typed"], **{name: ["*.sql", "*.j2"] for name in data}},
    zip_safe=False,
)
