#!/bin/sh
# Prints prometheus/rules/*.yml, or those of another folder, as a PrometheusRule; `make manifests` writes it to
# prometheusrule.yaml beside this.
# Kustomize can put files into ConfigMaps only, and the operator wants the groups in a manifest.
set -eu
cd "$(dirname "$0")/../../.."
cat <<'HEAD'
# Made from prometheus/rules/*.yml by prometheusrule.sh: change those, then `make manifests`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: batch-exporter
  labels:
    app.kubernetes.io/name: batch-exporter
spec:
  groups:
HEAD
for rules in "${1:-prometheus/rules}"/*.yml; do
    awk 'inside { print ($0 == "" ? "" : "  " $0) } /^groups:/ { inside = 1 }' "$rules"
done
