// Pure
/**
 * Builtin macros: what a resource is on a host, in one word each.
 *
 *   diskstate    UpToDate, OutDated[FR], InConsistent, WriteBack[1.000 MiB], …
 *   replstate    Replicating, Replaying, Syncing, PausedFetch, …
 *   flags        device, consistency, attach, sync, fetch, replay; a capital
 *                letter means reached
 *   role         Primary, Secondary, NotYetPrimary, RemainsPrimary, …
 *
 * The first condition that holds names the state. Words and order are those of
 * MARS: monitoring depends on them.
 *
 * Source: complex macros of `marsadm view`; the states of DRBD for `cstate`,
 * `dstate`, `state` and `status`, which have no text there.
 */

export const STATE_TEXTS: Readonly<Record<string, string>> = {
  "diskstate": String.raw`
%let{_disk}{%disk-error{}}\
%if{%{_disk}}{DISK_ERROR=%{_disk}%errno-text{%{_disk}} }\
%let{_code}{%replay-code{}}%let{_code}{%{_code}{,}{0}}\
%elsif\
{%!{%get-disk{}}}{NotJoined}\
{%!{%disk-present{}}}{NotPresent}\
{%!{%todo-attach{}}}{%if{%is-attach{}}{Detaching}{Detached}}\
{%<{%{_code}}{0}}{%damagestate{%{_code}}}\
{%is-orphan{}}{Orphan}\
{%!{%is-attach{}}}{NoAttach}\
{%!{%is-consistent{}}}{%if{%todo-primary{}}{%writestate{}}{InConsistent}}\
{%work-rest{}}{%if{%todo-primary{}}{%writestate{}}{OutDated%outdated-flags{}}}\
{%&&{%get-primary{}}{%is-emergency{%get-primary{}}}}{EmergencyMode}\
{%is-cut-off{}}{OutDated%outdated-flags{}}\
{UpToDate}
`,
  // {negative replay code}
  "damagestate": String.raw`
%elsif\
{%=={%{1}}{-85}}{IncompleteLog}\
{%=={%{1}}{-56}}{UnInitializedLogRecord}\
{DefectiveLog}\
[%{1}=%subst{%errno-text{%{1}}}{[\\[\\]]}{}{g}]
`,
  "writestate": String.raw`
%if{%is-primary{}}{WriteBack}{Recovery}\
[%human-numbers{}{/}{ }{%writeback-rest{}}]
`,
  "outdated-flags": String.raw`
%let{_missing}{%if{%||{%fetch-rest{}}{%is-cut-off{}}}{F}%if{%replay-rest{}}{R}}\
%if{%{_missing}}{[%{_missing}]}
`,
  "replstate": String.raw`
%elsif\
{%!{%is-module-loaded{}}}{ModuleNotLoaded}\
{%!{%is-alive{%{host}}}}{UnResponsive}\
{%!{%get-disk{}}}{NotJoined}\
{%!{%todo-attach{}}}{NotStarted}\
{%todo-primary{}}{%elsif\
{%is-emergency{}}{EmergencyMode}\
{%is-primary{}}{Replicating}\
{NotYetPrimary}}\
{%sync-rest{}}{%if{%todo-sync{}}{Syncing}{PausedSync}}\
{%!{%todo-fetch{}}}{PausedFetch}\
{%!{%todo-replay{}}}{PausedReplay}\
{%!{%get-primary{}}}{NoPrimaryDesignated}\
{%!{%is-alive{}}}{PrimaryUnreachable}\
{%is-orphan{}}{Orphan}\
{Replaying}
`,
  "flags": String.raw`
%if{%get-disk{}}{\
%elsif{%device-present{}}{D}{%disk-present{}}{d}{-}\
%elsif{%is-consistent{}}{C}{%replay-lognr{}}{c}{-}\
%elsif{%ne{%todo-attach{}}{%is-attach{}}}{a}{%is-attach{}}{A}{-}\
%elsif{%sync-reached{}}{S}{%todo-sync{}}{s}{-}\
%elsif{%&&{%fetch-reached{}}{%!{%is-cut-off{}}}}{F}{%todo-fetch{}}{f}{-}\
%elsif{%replay-reached{}}{R}{%todo-replay{}}{r}{-}\
}{------}
`,
  "todo-role": String.raw`
%elsif{%!{%get-disk{}}}{None}{%todo-primary{}}{Primary}{Secondary}
`,
  "role": String.raw`
%elsif\
{%!{%get-disk{}}}{None}\
{%!{%is-primary{}}}{%if{%todo-primary{}}{NotYetPrimary}{Secondary}}\
{%!{%todo-primary{}}}{RemainsPrimary}\
{%>{%nr-primary{}}{1}}{ForcedPrimary}\
{Primary}
`,
  "primarynode": String.raw`
%get-primary{}
`,
  // For how long the primary was silent, if for too long.
  "commstate": String.raw`
%if{%get-primary{}}{%let{_silent}{%alive-age{}}%elsif\
{%>={%{_silent}}{%{window}}}{%human-seconds{%{_silent}}}\
{%<{%{_silent}}{0}}{%if{%ne{%get-primary{}}{%{host}}}{--:--:--}}}
`,
  // The words of DRBD, for scripts that were written for it.
  "state": String.raw`
%role-1and1{}/%let{_peer}{%peer-1and1{}}\
%if{%{_peer}}{%tmp{%let{host}{%{_peer}}%role-1and1{}}}{Unknown}
`,
  "dstate": String.raw`
%diskstate-drbd{}/%let{_peer}{%peer-1and1{}}\
%if{%{_peer}}{%tmp{%let{host}{%{_peer}}%diskstate-drbd{}}}{DUnknown}
`,
  "cstate": String.raw`
%let{_peer}{%peer-1and1{}}\
%elsif\
{%!{%get-disk{}}}{Unconfigured}\
{%!{%todo-attach{}}}{StandAlone}\
{%||{%!{%{_peer}}}{%!{%todo-fetch{}}}}{StandAlone}\
{%!{%is-alive{%{_peer}}}}{WFConnection}\
{%sync-rest{}}{%if{%todo-sync{}}{SyncTarget}{PausedSyncT}}\
{%sync-rest{%{_peer}}}{%if{%todo{sync}{%{_peer}}}{SyncSource}{PausedSyncS}}\
{Connected}
`,
  "diskstate-drbd": String.raw`
%elsif\
{%!{%get-disk{}}}{Diskless}\
{%disk-error{}}{Failed}\
{%!{%disk-present{}}}{Diskless}\
{%!{%todo-attach{}}}{%if{%is-attach{}}{Detaching}{Diskless}}\
{%!{%is-alive{%{host}}}}{DUnknown}\
{%!{%is-attach{}}}{Attaching}\
{%is-primary{}}{UpToDate}\
{%!{%is-consistent{}}}{Inconsistent}\
{%||{%work-rest{}}{%is-cut-off{}}}{Outdated}\
{UpToDate}
`,
  // The other end of the line: the primary, or of a primary the first other.
  "peer-1and1": String.raw`
%let{_me}{%{host}}%let{_first}{}\
%if{%&&{%get-primary{}}{%ne{%get-primary{}}{%{_me}}}}{%get-primary{}}{\
%foreach{_other}{%resource-peers{}}{\
%if{%ne{%{_other}}{%{_me}}}{%let{_first}{%{_other}}%last{}}}%{_first}}
`,
  "status": String.raw`
%{res} role:%role-1and1{}\n\
\  disk:%diskstate-drbd{}\n\
%let{_here}{%{host}}\
%foreach{_each}{%resource-peers{}}{%if{%ne{%{_each}}{%{_here}}}{\
%tmp{%let{host}{%{_each}}\
\  %{_each} role:%role-1and1{}\n\
\    peer-disk:%diskstate-drbd{}\
%if{%sync-rest{}}{ replication:SyncTarget done:%sync-percent{}}\n}}}
`,
};
