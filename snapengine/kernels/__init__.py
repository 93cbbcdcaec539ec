"""Sample loops. The only package that imports numba; it knows neither our values nor our errors."""
