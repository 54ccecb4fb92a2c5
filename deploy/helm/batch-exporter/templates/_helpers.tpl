{{- /* The chart's name is the alias that a chart above this one gives it, which may be one that no resource can have. */ -}}
{{- define "batch-exporter.name" -}}
{{ .Values.nameOverride | default (.Chart.Name | lower | replace "_" "-" | trunc 50 | trimSuffix "-") }}
{{- end -}}

{{- /* The name of resources: short enough for what is appended to it. A release may have dots in its name, a Service may not. */ -}}
{{- define "batch-exporter.fullname" -}}
{{- $name := include "batch-exporter.name" . -}}
{{- $release := replace "." "-" .Release.Name -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride }}
{{- else if contains $name $release -}}
{{ $release | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" $release $name | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "batch-exporter.namespace" -}}
{{ .Values.namespaceOverride | default .Release.Namespace }}
{{- end -}}

{{- define "batch-exporter.selector" -}}
app.kubernetes.io/name: {{ include "batch-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- /* A text as the value of a label: Flux appends a digest to the version of a chart, with a plus sign before it. */ -}}
{{- define "batch-exporter.labelValue" -}}
{{ regexReplaceAll "[^A-Za-z0-9_.-]" . "_" | trunc 63 | trimAll "_.-" }}
{{- end -}}

{{- /* Labels of a resource: root, and labels of its own. None replaces what is selected by. */ -}}
{{- define "batch-exporter.labels" -}}
{{- $usual := dict
  "app.kubernetes.io/version" (include "batch-exporter.labelValue" .root.Chart.AppVersion)
  "app.kubernetes.io/managed-by" .root.Release.Service
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | include "batch-exporter.labelValue") -}}
{{- $selector := include "batch-exporter.selector" .root | fromYaml -}}
{{- toYaml (merge (dict) $selector (.labels | default dict) (.root.Values.commonLabels | default dict) $usual) -}}
{{- end -}}

{{- /* Metadata of a resource: root; and, where it has them, suffix, namespace, labels and annotations of its own. */ -}}
{{- define "batch-exporter.metadata" -}}
{{- $metadata := dict
  "name" (printf "%s%s" (include "batch-exporter.fullname" .root) (.suffix | default ""))
  "namespace" (.namespace | default (include "batch-exporter.namespace" .root))
  "labels" (include "batch-exporter.labels" . | fromYaml) -}}
{{- with .annotations -}}
{{- $_ := set $metadata "annotations" . -}}
{{- end -}}
{{- toYaml $metadata -}}
{{- end -}}

{{- define "batch-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "batch-exporter.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{- /* The registry that image.repository begins with, and a slash: it has a dot or a port, or is localhost. */ -}}
{{- define "batch-exporter.registryInRepository" -}}
{{ regexFind "^([^/]*[.:][^/]*|localhost)/" .Values.image.repository }}
{{- end -}}

{{- define "batch-exporter.image" -}}
{{- $image := .Values.image -}}
{{- $named := include "batch-exporter.registryInRepository" . -}}
{{- with (.Values.global | default dict).imageRegistry | default $image.registry | default $named -}}
{{ trimSuffix "/" . }}/
{{- end -}}
{{ trimPrefix $named $image.repository }}
{{- if $image.digest -}}
@{{ $image.digest }}
{{- else -}}
:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* The pull secrets of all charts, which may be names alone, and those of this one. */ -}}
{{- define "batch-exporter.imagePullSecrets" -}}
{{- $secrets := list -}}
{{- range concat ((.Values.global | default dict).imagePullSecrets | default list) (.Values.imagePullSecrets | default list) -}}
{{- $secrets = append $secrets (kindIs "map" . | ternary . (dict "name" .)) -}}
{{- end -}}
{{- toYaml (uniq $secrets) -}}
{{- end -}}

{{- /* The configuration file: config, with the place of the state. */ -}}
{{- define "batch-exporter.config" -}}
{{- $place := dict "path" "/data/batch-exporter.db" -}}
{{- if .Values.state.existingSecret -}}
{{- $place = dict "url_file" "/run/secrets/batch-exporter-state/url" -}}
{{- end -}}
{{- $state := merge (dict) (.Values.config.state | default dict) $place -}}
{{- toYaml (merge (dict "state" $state) (omit .Values.config "state")) -}}
{{- end -}}

{{- /* Where alerts and dashboards link to: by default the Ingress, or the Service, which a browser reaches only inside the cluster. */ -}}
{{- define "batch-exporter.externalUrl" -}}
{{- $url := .Values.externalUrl -}}
{{- if and (not $url) .Values.ingress.enabled -}}
{{- with first .Values.ingress.hosts -}}
{{- $url = printf "%s://%s%s" (ternary "https" "http" (not (empty $.Values.ingress.tls))) .host (first .paths).path -}}
{{- end -}}
{{- end -}}
{{- if not $url -}}
{{- $scheme := ternary "https" "http" (include "batch-exporter.web" . | fromYaml).tls -}}
{{- $url = printf "%s://%s.%s.svc:%d" $scheme (include "batch-exporter.fullname" .) (include "batch-exporter.namespace" .) (int .Values.service.port) -}}
{{- end -}}
{{- regexReplaceAll "/+$" $url "" -}}
{{- end -}}

{{- /* A file of rules or a dashboard, with links to where things are here. */ -}}
{{- define "batch-exporter.linked" -}}
{{- .root.Files.Get .path
  | replace "http://localhost:3000" (regexReplaceAll "/+$" .root.Values.grafanaUrl "")
  | replace "http://localhost:10977" (include "batch-exporter.externalUrl" .root) -}}
{{- end -}}

{{- /* The ports that URLs in `config` name: of APIs and of proxies. */ -}}
{{- define "batch-exporter.urlPorts" -}}
{{- $ports := list -}}
{{- if not (or .Values.existingConfig.configMap .Values.existingConfig.secret) -}}
{{- range $account := .Values.config.accounts -}}
{{- range compact (list $account.base_url $account.proxy_url) -}}
{{- $url := lower . -}}
{{- $named := regexReplaceAll "^[a-z]+://[^/?#]*?(:([0-9]+))?([/?#].*)?$" $url "${2}" -}}
{{- $ports = append $ports (atoi ($named | default (ternary "80" "443" (hasPrefix "http:" $url)))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml (without (uniq $ports) 443) -}}
{{- end -}}
