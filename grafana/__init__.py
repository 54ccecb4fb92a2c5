"""The Grafana dashboards as code: `python -m grafana` writes dashboards/*.json. The exporter does not need it."""
