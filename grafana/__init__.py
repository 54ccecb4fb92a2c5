"""The Grafana dashboards as code: `python -m grafana` writes dashboards/*.json. Nothing of it is needed to run."""
