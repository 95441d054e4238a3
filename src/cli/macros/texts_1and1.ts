// Pure
/**
 * Builtin macros of the short view: `mars view-1and1`.
 *
 *   <res> <disk> <replication> <flags> <role> <primary>
 *
 * Source: the 1and1 variants of `marsadm view`.
 */

export const SHORT_TEXTS: Readonly<Record<string, string>> = {
  "1and1": String.raw`
%splitinfo{}\
\  %{res} %paint{%diskstate-1and1{}} %paint{%replstate-1and1{}} \
%flags-1and1{} %role-1and1{} %primarynode-1and1{}\n\
%if{%&&{%is-attach{}}{%!{%is-primary{}}}}{\
%if{%sync-rest{}}{%syncinfo-1and1{}}\
%if{%work-rest{}}{%replinfo-1and1{}}\
}\
%resource-errors-1and1{}
`,
  "1and1-header": String.raw`
%default-header{}
`,
  "1and1-global": String.raw`
%default-global{}
`,
  "diskstate-1and1": String.raw`
%elsif\
{%||{%!{%get-disk{}}}{%!{%is-attach{}}}}{Detached}\
{%!{%is-almost-consistent{}}}{Inconsistent}\
{%todo-primary{}}{Uptodate}\
{%||{%work-rest{}}{%is-cut-off{}}}{Outdated%outdated-flags-1and1{}}\
{Uptodate}
`,
  "outdated-flags-1and1": String.raw`
%outdated-flags{}
`,
  "replstate-1and1": String.raw`
%elsif\
{%!{%get-disk{}}}{NotJoined}\
{%todo-primary{}}{Replicating}\
{%!{%is-alive{}}}{PrimaryUnreachable}\
{%sync-rest{}}{%if{%todo-sync{}}{Syncing}{PausedSync}}\
{%||{%!{%todo-fetch{}}}{%!{%todo-replay{}}}}{PausedReplay}\
{Replaying}
`,
  "flags-1and1": String.raw`
-%if{%todo-sync{}}{S}{-}%if{%todo-fetch{}}{F}{-}%if{%todo-replay{}}{R}{-}--
`,
  "role-1and1": String.raw`
%if{%is-primary{}}{Primary}{Secondary}
`,
  "primarynode-1and1": String.raw`
%let{_primary}{%actual-primary{}}%if{%{_primary}}{%{_primary}}{-}
`,
  "syncinfo-1and1": String.raw`
\     syncing: %progress{20}{%sync-pos{}}{%sync-pos{}}{%sync-size{}}\
\  %sync-percent{}%  (%human-rounded{0}{/}{)}{%sync-pos{}}{%sync-size{}}\
\  rate: %human-rounded{2}{/}{ }{%sync-rate{}}/sec\
\  remaining: %human-seconds{%sync-remain{}} hrs\n\
%sync-line-1and1{}
`,
  "sync-line-1and1": String.raw`
%sync-line{}
`,
  "replinfo-1and1": String.raw`
\     replaying: %progress{20}{%replay-pos{}}{%fetch-pos{}}{%fetch-size{}}\
\  %work-percent{}%  (%human-rounded{0}{/}{)}{%work-pos{}}{%work-size{}}\
\  logs: [%replay-lognr{}..%work-lognr{}]\n\
%fetch-line-1and1{}\
%replay-line-1and1{}
`,
  "fetch-line-1and1": String.raw`
%fetch-line{}
`,
  "replay-line-1and1": String.raw`
%replay-line{}
`,
  "resource-errors-1and1": String.raw`
%errorinfo{1}
`,
};
