{{- define "name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "metadata" -}}
name: {{ include "name" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "labels" . | nindent 2 }}
{{- end -}}

{{- define "labels" -}}
{{ include "selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* Where alerts and dashboards link to: by default the Service, which a browser reaches only inside the cluster. */ -}}
{{- define "externalUrl" -}}
{{- $service := printf "http://%s.%s.svc:10977" (include "name" .) .Release.Namespace -}}
{{- regexReplaceAll "/+$" (.Values.externalUrl | default $service) "" -}}
{{- end -}}

{{- /* A file of rules or a dashboard, with links to where things are here. */ -}}
{{- define "linked" -}}
{{- .root.Files.Get .path
  | replace "http://localhost:3000" (regexReplaceAll "/+$" .root.Values.grafanaUrl "")
  | replace "http://localhost:10977" (include "externalUrl" .root) -}}
{{- end -}}

{{- /* The configuration file: config, with the place of the state. */ -}}
{{- define "config" -}}
{{- $place := dict "path" "/data/batch-exporter.db" -}}
{{- if .Values.state.existingSecret -}}
{{- $place = dict "url_file" "/run/secrets/batch-exporter-state/url" -}}
{{- end -}}
{{- $state := merge (dict) (.Values.config.state | default dict) $place -}}
{{- toYaml (merge (dict "state" $state) (omit .Values.config "state")) -}}
{{- end -}}
