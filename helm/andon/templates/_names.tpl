{{- define "andon.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "andon.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "andon.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "andon.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "andon.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "andon.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "andon.image" -}}
{{- printf "%s:%s" .Values.image (default .Chart.AppVersion .Values.imageTag) -}}
{{- end -}}

{{/* What selects pods never changes; component is the name of a topology, or that and -pacemaker. */}}
{{- define "andon.selector" -}}
app.kubernetes.io/name: {{ include "andon.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "andon.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ include "andon.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: andon
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* A topology's configuration, read; a mistake is told here and not by a pod that dies. */}}
{{- define "andon.application" -}}
{{- $read := fromToml .one.config -}}
{{- with $read.Error -}}
{{- fail (printf "topologies: the config of %s is no TOML: %s" $.one.name .) -}}
{{- end -}}
{{- if ne (toString $read.topology) .one.topology -}}
{{- fail (printf "topologies: %s is to run the topology %s, but its config is for %s" .one.name .one.topology (toString $read.topology)) -}}
{{- end -}}
{{- $read.application | required (printf "topologies: the config of %s names no application" .one.name) -}}
{{- end -}}
