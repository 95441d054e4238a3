// Pure
/**
 * Builtin macros of the default view.
 *
 *   LocalDevice /dev/mars/<name> [Opened, /mnt, 120 IOPS, 5 Flying]
 *   OpenBy <who>                         ours: mounts and processes
 *   NbdSocket <path>                     ours: where the device really is
 *   <res> [2/3] <disk> <replication> <flags> <role> <primary> <silent for>
 *      acknowledge: durable              ours: with --verbose
 *      HINT: …                           sizes of disks and resource
 *      syncing: [====>.....]  …          until the copy is complete
 *      verifying: [====>.....]  …         ours: while disks are compared
 *      verified: all was equal … ago      ours: when that had been done
 *      replaying: [===>:::....]  …       while work is left
 * ERRORS   LNK  (1):                     messages of this host
 * <key>: <since> <since> <text>
 *
 * Source: macro `default` of `marsadm view`.
 */

export const DEFAULT_TEXTS: Readonly<Record<string, string>> = {
  "default": String.raw`
%default-resource{}
`,
  "default-resource": String.raw`
%splitinfo{}\
%device-info{}\
\  %{res} [%count-resource-peers{}/%count-configured-peers{}] \
%paint{%diskstate{}} %paint{%replstate{}} %flags{} %role{} %primarynode{}\
%let{_silence}{%commstate{}}%if{%{_silence}}{ %{_silence}}\n\
%if{%>{%{verbose}}{0}}{     acknowledge: %acknowledge{}\n}\
%sizeinfo{}\
%if{%&&{%is-attach{}}{%!{%is-primary{}}}}{\
%if{%sync-rest{}}{%syncinfo{}}\
%if{%work-rest{}}{%replinfo{}}\
%verifyinfo{}\
}\
%if{%>{%{verbose}}{1}}{%comminfo{}}\
%resource-errors{}
`,
  // Of the old command.
  "show-info": String.raw`
%tmp{%let{verbose}{2}%default{}}
`,
  // On stderr.
  "splitinfo": String.raw`
%let{_lines}{%split-brain-lines{}}\
%if{%{_lines}}{%foreach{_line}{%{_lines}}{%warn{%{_line}}}}{\
%foreach{_nr}{%doubled-lognr{}}{\
%warn{SPLIT BRAIN of resource '%{res}': there are several logs with number %{_nr}}\
%hint{%{res}: each log %{_nr} was written by another primary}\
%hint{%{res}: choose the host whose data shall stay, and make it primary}\
%hint{%{res}: type "mars invalidate %{res}" on every other host}}}
`,
  "device-info": String.raw`
%if{%device-present{}}{\
\  LocalDevice %get-device{} [%device-stats{}]\n\
%if{%device-users{}}{  OpenBy %device-users{}\n}\
%if{%device-socket{}}{  NbdSocket %device-socket{}\n}}
`,
  "device-stats": String.raw`
%if{%device-opened{}}{Opened, \
%if{%known-device-mounted{}}{%known-device-mountpoint{}, }\
%if{%device-error{}}{ERROR=%device-error{}%errno-text{%device-error{}}, }\
%device-ops-rate{} IOPS\
%if{%device-nrflying{}}{, %device-nrflying{} Flying\
%if{%>{%device-completion-age{}}{%{window}}}{\
, HANGING age: %human-seconds{%device-completion-age{}}}}\
}{Closed}
`,
  "sizeinfo": String.raw`
%let{_size}{%resource-size{}}%let{_disk}{%disk-size{}}\
%let{_possible}{%resource-possible-size{}}\
%if{%&&{%{_size}}{%>{%-{%{_disk}}{%{_size}}}{%{threshold}}}}{\
\     HINT: disk %get-disk{} is %human-numbers{}{/}{ }{%-{%{_disk}}{%{_size}}} \
larger than the resource\n}\
%if{%&&{%{_size}}{%>{%-{%{_possible}}{%{_size}}}{%{threshold}}}}{\
\     HINT: resize from %human-numbers{}{/}{ }{%{_size}} \
to %human-numbers{}{/}{ }{%{_possible}} is possible\n}
`,
  "syncinfo": String.raw`
\     syncing: %progress{20}{%sync-pos{}}{%sync-pos{}}{%sync-size{}}\
\  %sync-percent{}%  (%human-rounded{0}{/}{)}{%sync-pos{}}{%sync-size{}}\
\  rate: %human-rounded{2}{/}{ }{%sync-rate{}}/sec\
\  remaining: %human-seconds{%sync-remain{}} hrs\n\
%sync-line{}
`,
  "sync-line": String.raw`
\       > sync: %human-numbers{}{/}{ }{%sync-pos{}}{%sync-size{}}\
\ rate: %human-numbers{}{/}{ }{%sync-rate{}}/sec\
\  remaining: %human-seconds{%sync-remain{}} hrs\n
`,
  "verifyinfo": String.raw`
%if{%verify-running{}}{\
\     verifying: %progress{20}{%verify-pos{}}{%verify-pos{}}{%verify-size{}}\
\  %verify-percent{}%  (%human-rounded{0}{/}{)}{%verify-pos{}}{%verify-size{}}\
\  rate: %human-rounded{2}{/}{ }{%verify-rate{}}/sec\
\  remaining: %human-seconds{%verify-remain{}} hrs\n}\
%if{%verified{}}{\     verified: all was equal %human-seconds{%verified-age{}} hrs ago\n}
`,
  "replinfo": String.raw`
\     replaying: %progress{20}{%replay-pos{}}{%fetch-pos{}}{%fetch-size{}}\
\  %work-percent{}%  (%human-rounded{0}{/}{)}{%work-pos{}}{%work-size{}}\
\  logs: [%replay-lognr{}\
%if{%replay-logcount{}}{::%fetch-lognr{}}\
%if{%fetch-logcount{}}{..%work-lognr{}}]\n\
%fetch-line{}\
%replay-line{}\
%stuckinfo{}
`,
  "fetch-line": String.raw`
\       > fetch: %human-numbers{}{/}{ }{%fetch-rest{}}\
\ rate: %human-numbers{}{/}{ }{%fetch-rate{}}/s\
\ remaining: %human-seconds{%fetch-remain{}}\
%if{%>={%fetch-age{}}{%{window}}}{ age: %human-seconds{%fetch-age{}}}\
%if{%>{%fetch-lag{}}{0}}{ lag: %human-seconds{%fetch-lag{}}}\n
`,
  "replay-line": String.raw`
\       > replay: %human-numbers{}{/}{ }{%replay-rest{}}\
\ rate: %human-numbers{}{/}{ }{%replay-rate{}}/s\
\ remaining: %human-seconds{%replay-remain{}}\
%if{%>={%replay-age{}}{%{window}}}{ age: %human-seconds{%replay-age{}}}\
%if{%>{%replay-lag{}}{0}}{ lag: %human-seconds{%replay-lag{}}}\n
`,
  // On stderr: what shall go on but does not.
  "stuckinfo": String.raw`
%foreach{_what}{fetch\nreplay}{\
%if{%&&{%todo{%{_what}}}{%call{%{_what}-rest}{}}}{\
%let{_age}{%call{%{_what}-age}{}}\
%if{%>={%{_age}}{%{stuck-seconds}}}{\
%warn{resource '%{res}': %{_what} is stuck since %human-seconds{%{_age}}}}}}
`,
  "comminfo": String.raw`
%foreach{_peer}{%resource-peers{}}{%if{%ne{%{_peer}}{%{host}}}{\
\     peer %{_peer}: %elsif\
{%is-alive{%{_peer}}}{alive}\
{%<{%alive-age{%{_peer}}}{0}}{never heard of}\
{silent for %human-seconds{%alive-age{%{_peer}}}}\n}}
`,
  "resource-errors": String.raw`
%errorinfo{%>{%{verbose}}{0}}
`,
  // {whether to show texts of files}
  "errorinfo": String.raw`
%filesection{FATALS}{%get-resource-fat{}}{bad}{%{1}}\
%linksection{ERRORS}{%the-pretty-err-msg{}}{bad}\
%filesection{ERRORS}{%get-resource-err{}}{bad}{%{1}}\
%linksection{WARNINGS}{%the-pretty-wrn-msg{}}{changing}\
%if{%>{%{verbose}}{0}}{%filesection{WARNINGS}{%get-resource-wrn{}}{changing}{1}\
%linksection{INFOS}{%the-pretty-inf-msg{}}{changing}}\
%if{%>{%{verbose}}{1}}{%filesection{STATUS}{%get-log-status{}}{changing}{1}}
`,
  // {title}{lines}{mood}
  "linksection": String.raw`
%if{%{2}}{%paint{%sprintf{%-8s LNK  (%d):}{%{1}}{%count-lines{%{2}}}}{%{3}}\n\
%{2}\n}
`,
  // {title}{lines}{mood}{whether to show the lines}
  "filesection": String.raw`
%if{%{2}}{%paint{%sprintf{%-8s FILE (%d)}{%{1}}{%count-lines{%{2}}}}{%{3}}\
%if{%{4}}{:\n%{2}}\n}
`,
  "count-lines": String.raw`
%let{_count}{0}%foreach{_line}{%{1}}{%let{_count}{%+{%{_count}}{1}}}%{_count}
`,
  // What is not used is not worth a line, unless somebody asks.
  "default-header": String.raw`
%used-line{used-log-compression}{"%used-log-compression{}"}{""}\
%used-line{used-net-compression}{"%used-net-compression{}"}{""}\
%used-line{used-log-digest}{%used-log-digest{}}{}\
%used-line{used-net-digest}{%used-net-digest{}}{}\
%if{%>{%{verbose}}{0}}{\
usable-compressions="%usable-compressions{}"\n\
enabled-log-compressions="%enabled-log-compressions{}"\n\
enabled-net-compressions="%enabled-net-compressions{}"\n\
usable-digests=%usable-digests{}\n\
disabled-log-digests=%disabled-log-digests{}\n\
disabled-net-digests=%disabled-net-digests{}\n}\
%if{%global-sync-limit-value{}}{\
%hint{at most %global-sync-limit-value{} resources are copied at once; \
see set-global-sync-limit-value}}
`,
  // {name}{value}{what stands for none}
  "used-line": String.raw`
%if{%||{%ne{%{2}}{%{3}}}{%>{%{verbose}}{0}}}{%{1}=%{2}\n}
`,
  "default-global": String.raw`
%let{_slip}{%time-slip{}}\
%if{%>{%{_slip}}{%{window}}}{\
%warn{Lamport time is %human-seconds{%{_slip}} ahead of the clock of this host; \
some clock in the cluster is or was wrong}}\
%foreach{_kind}{err:ERRORS:bad\nwrn:WARNINGS:changing\ninf:INFOS:changing}{\
%let{_lines}{}\
%foreach{_line}{%call{the-pretty-global-%{_kind}{:}{0}-msg}{}}{\
%unless{%match{%{_line}}{CONNECTED}}{\
%append{_lines}{%if{%{_lines}}{\n}%{_line}}}}\
%if{%||{%ne{%{_kind}{:}{0}}{inf}}{%>{%{verbose}}{0}}}{\
%linksection{%{_kind}{:}{1}}{%{_lines}}{%{_kind}{:}{2}}}}\
%let{_lines}{}\
%foreach{_line}{%the-pretty-global-msg{}}{\
%if{%match{%{_line}}{^needed-connection.* NOT connected}}{\
%append{_lines}{%if{%{_lines}}{\n}%{_line}}}}\
%linksection{PEERS}{%{_lines}}{changing}\
%linksection{TRAFFIC}{%if{%>{%{verbose}}{0}}{%traffic{}}{%traffic-limited{}}}{changing}
`,
  "default-footer": "",
};
