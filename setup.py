"""What pyproject.toml can't say: C{twisted.plugins} has no C{__init__}, and data lies beside the packages."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["octavia_tx", "octavia_tx.*", "amphora", "amphora.*"]),
        "twisted.plugins",
        "octavia_tx.sql",
        "octavia_tx.templates",
    ],
    package_dir={"octavia_tx.sql": "sql", "octavia_tx.templates": "templates"},
    package_data={
        "octavia_tx": ["py.typed"],
        "octavia_tx.sql": ["*.sql", "*/*.sql"],
        "octavia_tx.templates": ["*/*.j2"],
    },
    zip_safe=False,
)
