"""The benchmark suite of snapengine: corpus, cases, rivals, limits, results. See README.md."""
