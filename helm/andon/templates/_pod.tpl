{{/* Parts that workers, pacemakers and the hook's job share. */}}

{{- define "andon.env" -}}
- name: ANDON_KAFKA__BOOTSTRAP_SERVERS
  value: {{ .root.Values.kafka.bootstrapServers | quote }}
- name: ANDON_REGISTRY__URL
  value: {{ .root.Values.kafka.schemaRegistryUrl | quote }}
{{- with .root.Values.kafka.topicPrefix }}
- name: ANDON_TOPIC_PREFIX
  value: {{ . | quote }}
{{- end }}
- name: ANDON_CACHE
  value: /var/cache/andon
{{- range $name, $value := .root.Values.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range $name, $from := .root.Values.secretRefs }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $from.name }}
      key: {{ $from.key }}
{{- end }}
{{- end -}}

{{- define "andon.mounts" -}}
- name: config
  mountPath: /etc/andon/config
  readOnly: true
- name: cache
  mountPath: /var/cache/andon
- name: tmp
  mountPath: /tmp
{{- range $index, $secret := .root.Values.secretFilesRefs }}
- name: secret-{{ $index }}
  mountPath: {{ $secret.mountPath }}
  readOnly: true
{{- end }}
{{- end -}}

{{- define "andon.volumes" -}}
- name: config
  configMap:
    name: {{ .config }}
- name: cache
  emptyDir:
    sizeLimit: 256Mi
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- range $index, $secret := .root.Values.secretFilesRefs }}
- name: secret-{{ $index }}
  secret:
    secretName: {{ $secret.name }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{/* What every container begins with. */}}
{{- define "andon.container" -}}
image: {{ include "andon.image" .root | quote }}
imagePullPolicy: {{ .root.Values.imagePullPolicy }}
securityContext:
  {{- toYaml .root.Values.containerSecurityContext | nindent 2 }}
{{- end -}}

{{/* What every pod begins with. Service links would set variables named ANDON_... that nobody meant. */}}
{{- define "andon.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Nothing of the chart's version: an upgrade of the chart alone restarts no pod. */}}
{{- define "andon.podLabels" -}}
{{ include "andon.selector" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- with .root.Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The machine code that the image brought, into the folder that may be written: a pod on the same kind of CPU compiles nothing. */}}
{{- define "andon.kernels" -}}
- name: kernels
  {{- include "andon.container" . | nindent 2 }}
  command: ["cp", "-R", "/opt/andon/cache/.", "/var/cache/andon/"]
  volumeMounts:
    - name: cache
      mountPath: /var/cache/andon
{{- end -}}
