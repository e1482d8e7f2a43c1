{{- define "arrivage.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "arrivage.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "arrivage.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "arrivage.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "arrivage.selector" -}}
app.kubernetes.io/name: {{ include "arrivage.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "arrivage.labels" -}}
{{ include "arrivage.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "arrivage.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "arrivage.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* The name of a Deployment: the all-in-one has the plain one. */ -}}
{{- define "arrivage.deployment" -}}
{{- if eq .component "run" -}}
{{- include "arrivage.fullname" .root -}}
{{- else -}}
{{- printf "%s-%s" (include "arrivage.fullname" .root) .component -}}
{{- end -}}
{{- end -}}

{{- /*
A pod template. Of the caller: root, component, args, resources; and as wanted
  http      it serves HTTP: port, probes, token
  job       it runs to its end: never started again in the same pod
  owner     it knows the name of its Job as JOB_NAME
*/ -}}
{{- define "arrivage.pod" -}}
{{- $values := .root.Values -}}
metadata:
  labels:
    {{- include "arrivage.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ $values.config | sha256sum }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- include "arrivage.podSpec" . | nindent 2 }}
{{- end -}}

{{- define "arrivage.podSpec" -}}
{{- $values := .root.Values -}}
serviceAccountName: {{ include "arrivage.serviceAccount" .root }}
automountServiceAccountToken: false
{{- with $values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .job }}
restartPolicy: Never
{{- end }}
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
securityContext:
  {{- toYaml $values.podSecurityContext | nindent 2 }}
containers:
  - name: arrivage
    image: "{{ $values.image.repository }}:{{ default .root.Chart.AppVersion $values.image.tag }}"
    imagePullPolicy: {{ $values.image.pullPolicy }}
    args:
      {{- toYaml .args | nindent 6 }}
      {{- if and (not $values.migrate) (has (first .args) (list "run" "watch" "process" "load")) }}
      - --no-migrate
      {{- end }}
      - --log-format
      - {{ $values.logFormat }}
    env:
      - name: ARRIVAGE_CONFIG
        value: /etc/arrivage/arrivage.toml
      - name: DATABASE_URL
        valueFrom:
          secretKeyRef:
            name: {{ $values.secret.name }}
            key: {{ $values.secret.databaseUrl }}
      {{- if .http }}
      - name: ARRIVAGE_TOKEN
        valueFrom:
          secretKeyRef:
            name: {{ $values.secret.name }}
            key: {{ $values.secret.token }}
      {{- end }}
      {{- if .owner }}
      - name: JOB_NAME
        valueFrom:
          fieldRef:
            fieldPath: metadata.labels['batch.kubernetes.io/job-name']
      {{- end }}
      {{- with $values.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with $values.envFrom }}
    envFrom:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- if and .http (not .job) }}
    ports:
      - name: http
        containerPort: {{ $values.port }}
    livenessProbe:
      httpGet:
        path: /healthz
        port: http
      periodSeconds: 10
      timeoutSeconds: 2
      failureThreshold: 6
    readinessProbe:
      httpGet:
        path: /readyz
        port: http
      periodSeconds: 10
      timeoutSeconds: 2
    {{- end }}
    resources:
      {{- toYaml (default $values.resources .resources) | nindent 6 }}
    securityContext:
      {{- toYaml $values.securityContext | nindent 6 }}
    volumeMounts:
      - name: config
        mountPath: /etc/arrivage
        readOnly: true
      {{- with $values.volumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - name: config
    configMap:
      name: {{ include "arrivage.fullname" .root }}
  {{- with $values.volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- /*
The spec of a Job. Of the caller: what a pod template needs, and `job`: backoffLimit and, as wanted,
activeDeadlineSeconds and ttlSecondsAfterFinished.

Exit codes 2 and 3 are final: a person has to mend it, or the load failed for good. A pod that was
evicted or preempted (it left with 143, and gave its lease back) does not count as a failure.
*/ -}}
{{- define "arrivage.job" -}}
backoffLimit: {{ .job.backoffLimit }}
{{- with .job.activeDeadlineSeconds }}
activeDeadlineSeconds: {{ . }}
{{- end }}
{{- with .job.ttlSecondsAfterFinished }}
ttlSecondsAfterFinished: {{ . }}
{{- end }}
podFailurePolicy:
  rules:
    - action: FailJob
      onExitCodes:
        containerName: arrivage
        operator: In
        values: [2, 3]
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
          status: "True"
template:
  {{- include "arrivage.pod" . | nindent 2 }}
{{- end -}}

{{- /* What KEDA asks the ledger: the sum of one column of arrivage.backlog. */ -}}
{{- define "arrivage.backlog" -}}
{{- $names := list -}}
{{- range .root.Values.keda.pipelines }}{{ $names = append $names (printf "'%s'" .) }}{{ end -}}
SELECT COALESCE(sum({{ .column }}), 0)::float8 FROM arrivage.backlog
{{- if $names }} WHERE pipeline IN ({{ join ", " $names }}){{ end -}}
{{- end -}}

{{- /* A postgresql trigger. Not by `connection`: see docs/kubernetes.md. */ -}}
{{- define "arrivage.trigger" -}}
{{- $database := .root.Values.keda.database -}}
type: postgresql
metadata:
  host: {{ $database.host | quote }}
  port: {{ $database.port | quote }}
  dbName: {{ $database.name | quote }}
  userName: {{ $database.user | quote }}
  sslmode: {{ $database.sslmode | quote }}
  query: {{ include "arrivage.backlog" . | quote }}
  targetQueryValue: {{ .target | quote }}
authenticationRef:
  name: {{ include "arrivage.fullname" .root }}-backlog
{{- end -}}
