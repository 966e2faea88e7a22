# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_lastrites_global_optspecs
    string join \n color= h/help V/version
end

function __fish_lastrites_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_lastrites_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_lastrites_using_subcommand
    set -l cmd (__fish_lastrites_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c lastrites -n "__fish_lastrites_needs_command" -l color -d 'When to use colours; NO_COLOR is respected' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t''
never\t''"
complete -c lastrites -n "__fish_lastrites_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastrites -n "__fish_lastrites_needs_command" -s V -l version -d 'Print version'
complete -c lastrites -n "__fish_lastrites_needs_command" -f -a "explain" -d 'Explain a shutdown: who killed whom, who restarted what, who everybody waited for, what to change'
complete -c lastrites -n "__fish_lastrites_needs_command" -f -a "view" -d 'Look at a shutdown on a time axis: who killed whom, who restarted what (the same as no command at all)'
complete -c lastrites -n "__fish_lastrites_needs_command" -f -a "report" -d 'Make one file for a bug report: what happened in words, and the recording without secrets and names'
complete -c lastrites -n "__fish_lastrites_needs_command" -f -a "list" -d 'List the recorded shutdowns and boots: when, who asked, how they ended, what is missing'
complete -c lastrites -n "__fish_lastrites_needs_command" -f -a "diff" -d 'Compare two shutdowns: what took longer, died differently, was restarted, or is there in one only'
complete -c lastrites -n "__fish_lastrites_needs_command" -f -a "show" -d 'Show the events of one recording, filtered, one a line'
complete -c lastrites -n "__fish_lastrites_needs_command" -f -a "save" -d 'Copy one recording out as a file of its own, which every command accepts in place of the ring'
complete -c lastrites -n "__fish_lastrites_needs_command" -f -a "export" -d 'Write a recording and its story for other tools: JSON, CSV, Parquet, Perfetto, SVG, Graphviz, HTML'
complete -c lastrites -n "__fish_lastrites_needs_command" -f -a "import" -d 'Keep recordings and reports of other machines, to be listed and opened beside your own'
complete -c lastrites -n "__fish_lastrites_needs_command" -f -a "demo" -d 'Stage a miniature runlevel 6 in namespaces of its own, record it, and show what was seen'
complete -c lastrites -n "__fish_lastrites_needs_command" -f -a "arm" -d 'Records from now on, through the next shutdown, until the boot after it has settled'
complete -c lastrites -n "__fish_lastrites_needs_command" -f -a "disarm" -d 'Removes everything that arming installed; recordings stay'
complete -c lastrites -n "__fish_lastrites_needs_command" -f -a "record" -d 'Moves events from the kernel to the ring file until told to stop'
complete -c lastrites -n "__fish_lastrites_needs_command" -f -a "status" -d 'Whether it is armed, how much was recorded and lost, and where'
complete -c lastrites -n "__fish_lastrites_needs_command" -f -a "doctor" -d 'What this kernel and this init allow, and what to do about the rest'
complete -c lastrites -n "__fish_lastrites_using_subcommand explain" -l file -d 'The same as FILE' -r -F
complete -c lastrites -n "__fish_lastrites_using_subcommand explain" -l recording -d 'newest, previous, a number as `list` shows it, or the beginning of an id [default: the newest shutdown]' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand explain" -l finding -d 'Only this finding: its number, or its kind (restarted, killed, ...)' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand explain" -l service -d 'What happened to this service' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand explain" -l pid -d 'What happened to this process, and what it did to others' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand explain" -l color -d 'When to use colours; NO_COLOR is respected' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t''
never\t''"
complete -c lastrites -n "__fish_lastrites_using_subcommand explain" -l all -d 'Everything: all findings with all evidence, every restart and every end'
complete -c lastrites -n "__fish_lastrites_using_subcommand explain" -l json -d 'One JSON object (documented in JSON.md)'
complete -c lastrites -n "__fish_lastrites_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastrites -n "__fish_lastrites_using_subcommand view" -l file -d 'The same as FILE' -r -F
complete -c lastrites -n "__fish_lastrites_using_subcommand view" -l recording -d 'newest, previous, a number as `list` shows it, or the beginning of an id [default: the newest shutdown]' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand view" -l tone -d 'For a dark or a light screen [default: as the terminal says, or dark]' -r -f -a "dark\t''
light\t''"
complete -c lastrites -n "__fish_lastrites_using_subcommand view" -l color -d 'When to use colours; NO_COLOR is respected' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t''
never\t''"
complete -c lastrites -n "__fish_lastrites_using_subcommand view" -l live -d 'Follow a recording that is being made'
complete -c lastrites -n "__fish_lastrites_using_subcommand view" -l ascii -d 'Nothing but ASCII'
complete -c lastrites -n "__fish_lastrites_using_subcommand view" -l no-mouse -d 'Leave the mouse to the terminal'
complete -c lastrites -n "__fish_lastrites_using_subcommand view" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastrites -n "__fish_lastrites_using_subcommand report" -l file -d 'The same as FILE' -r -F
complete -c lastrites -n "__fish_lastrites_using_subcommand report" -l recording -d 'newest, previous, a number as `list` shows it, or the beginning of an id [default: the newest of the last three shutdowns that went wrong, or else the newest]' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand report" -s o -l output -d 'The new file; nothing is overwritten. `-` is standard output [default: lastrites-report-TIME.tar.gz]' -r -F
complete -c lastrites -n "__fish_lastrites_using_subcommand report" -l keep -d 'Leave these in' -r -f -a "hosts\t'Host names and addresses'
users\t'User names'
args\t'Arguments, private paths and other words that are not known to be secret'"
complete -c lastrites -n "__fish_lastrites_using_subcommand report" -l color -d 'When to use colours; NO_COLOR is respected' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t''
never\t''"
complete -c lastrites -n "__fish_lastrites_using_subcommand report" -l last -d 'The newest shutdown, whether it went wrong or not'
complete -c lastrites -n "__fish_lastrites_using_subcommand report" -l markdown -d 'Print the summary alone, in Markdown'
complete -c lastrites -n "__fish_lastrites_using_subcommand report" -l list-removed -d 'Show line by line what is removed; without -o, write nothing'
complete -c lastrites -n "__fish_lastrites_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastrites -n "__fish_lastrites_using_subcommand list" -l file -d 'The same as FILE' -r -F
complete -c lastrites -n "__fish_lastrites_using_subcommand list" -l color -d 'When to use colours; NO_COLOR is respected' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t''
never\t''"
complete -c lastrites -n "__fish_lastrites_using_subcommand list" -l json -d 'One JSON object a line (documented in JSON.md)'
complete -c lastrites -n "__fish_lastrites_using_subcommand list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastrites -n "__fish_lastrites_using_subcommand diff" -l file -d 'The file that A and B are recordings of, instead of the ring' -r -F
complete -c lastrites -n "__fish_lastrites_using_subcommand diff" -l color -d 'When to use colours; NO_COLOR is respected' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t''
never\t''"
complete -c lastrites -n "__fish_lastrites_using_subcommand diff" -l json -d 'One JSON object (documented in JSON.md)'
complete -c lastrites -n "__fish_lastrites_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastrites -n "__fish_lastrites_using_subcommand show" -l file -d 'The same as FILE' -r -F
complete -c lastrites -n "__fish_lastrites_using_subcommand show" -l recording -d 'newest, previous, a number as `list` shows it, or the beginning of an id' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand show" -l pid -d 'Events by or about this process' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand show" -l name -d '... or one of this name or program; * and ? stand for anything' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand show" -l signal -d 'Signals sent, received or died of: TERM, SIGTERM or 15' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand show" -l kind -d 'process (running before), fork, exec, exit, rename, signal, deliver, call, poll, reboot, umount, remount, cgroup-mkdir, cgroup-rmdir, cgroup-attach, oom, lost' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand show" -l from -d 'From this time: seconds since the recording began (12.5), before its last event (-3), after the shutdown was asked for (asked, asked+2.5), or a time of its clock (03:14:07, "2026-11-12 03:14:07")' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand show" -l to -d 'To this time' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand show" -l event -d 'Only the event with this number' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand show" -l color -d 'When to use colours; NO_COLOR is respected' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t''
never\t''"
complete -c lastrites -n "__fish_lastrites_using_subcommand show" -l wall -d 'Show times of the recorded machine\'s clock'
complete -c lastrites -n "__fish_lastrites_using_subcommand show" -l no-head -d 'Without the lines about the recording at the beginning'
complete -c lastrites -n "__fish_lastrites_using_subcommand show" -l json -d 'One JSON object a line (documented in JSON.md)'
complete -c lastrites -n "__fish_lastrites_using_subcommand show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastrites -n "__fish_lastrites_using_subcommand save" -l file -d 'The file to copy it from, instead of the ring' -r -F
complete -c lastrites -n "__fish_lastrites_using_subcommand save" -l recording -d 'newest, previous, a number as `list` shows it, or the beginning of an id' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand save" -l color -d 'When to use colours; NO_COLOR is respected' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t''
never\t''"
complete -c lastrites -n "__fish_lastrites_using_subcommand save" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastrites -n "__fish_lastrites_using_subcommand export" -l file -d 'The same as FILE' -r -F
complete -c lastrites -n "__fish_lastrites_using_subcommand export" -s f -l format -d 'What to write' -r -f -a "json\t'One JSON document: the story, the processes, the signals'
jsonl\t'Every event, one JSON object a line, as `show --json` has them'
csv\t'A table for spreadsheets, see --table'
perfetto\t'For Perfetto\'s viewer (ui.perfetto.dev) and other readers of trace events'
svg\t'The timeline as a picture'
dot\t'Who signalled and restarted whom, for Graphviz'
html\t'One page for any browser: what happened, a time axis, search; see PAGE.md'
parquet\t'A table for DuckDB, Spark, pandas, see --table'"
complete -c lastrites -n "__fish_lastrites_using_subcommand export" -s o -l output -d 'The new file; nothing is overwritten. `-` is standard output, which is the default' -r -F
complete -c lastrites -n "__fish_lastrites_using_subcommand export" -l recording -d 'newest, previous, a number as `list` shows it, or the beginning of an id [default: the newest shutdown]' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand export" -l table -d 'Which table (csv, parquet) [default: services]' -r -f -a "services\t'How each service ended: cleanly or not, by whom, how long it took, whether it was restarted'
processes\t'The same of every process, and what it was'
findings\t'What `explain` tells, one finding a row'
events\t'All events, as `show` has them'"
complete -c lastrites -n "__fish_lastrites_using_subcommand export" -l color -d 'When to use colours; NO_COLOR is respected' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t''
never\t''"
complete -c lastrites -n "__fish_lastrites_using_subcommand export" -l all -d 'Every recording of each file, one behind the other (csv, jsonl, parquet)'
complete -c lastrites -n "__fish_lastrites_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastrites -n "__fish_lastrites_using_subcommand import" -l as -d 'What to call it [default: the name of the file]' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand import" -l remove -d 'Forget what was imported under this name' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand import" -l color -d 'When to use colours; NO_COLOR is respected' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t''
never\t''"
complete -c lastrites -n "__fish_lastrites_using_subcommand import" -l system -d 'For all users of this machine (as root)'
complete -c lastrites -n "__fish_lastrites_using_subcommand import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastrites -n "__fish_lastrites_using_subcommand demo" -l color -d 'When to use colours; NO_COLOR is respected' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t''
never\t''"
complete -c lastrites -n "__fish_lastrites_using_subcommand demo" -l bundled -d 'Show the bundled recording of a real machine, without recording anything'
complete -c lastrites -n "__fish_lastrites_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lastrites -n "__fish_lastrites_using_subcommand arm" -l size -d 'Size of a new ring file, at least 1M [default: 64M]' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand arm" -l settle -d 'Seconds, 30 unless told otherwise, without a program that this boot had not executed before: then it has settled, and recording ends. More of them for services that fail late, like a database that reads its journal for minutes first' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand arm" -l once -d 'Only the next shutdown and boot, then disarm (this is the default where nothing is armed)'
complete -c lastrites -n "__fish_lastrites_using_subcommand arm" -l always -d 'Every shutdown and boot, until disarmed'
complete -c lastrites -n "__fish_lastrites_using_subcommand arm" -s h -l help -d 'Print help'
complete -c lastrites -n "__fish_lastrites_using_subcommand disarm" -s h -l help -d 'Print help'
complete -c lastrites -n "__fish_lastrites_using_subcommand record" -l output -d 'Record into this file without arming, until SIGINT or SIGTERM; says `ready` once attached' -r -F
complete -c lastrites -n "__fish_lastrites_using_subcommand record" -l size -d 'Size of a new file, at least 1M [default: 64M]' -r
complete -c lastrites -n "__fish_lastrites_using_subcommand record" -s h -l help -d 'Print help'
complete -c lastrites -n "__fish_lastrites_using_subcommand status" -l json -d 'One JSON object (documented in /usr/share/doc/lastrites/JSON.md)'
complete -c lastrites -n "__fish_lastrites_using_subcommand status" -s h -l help -d 'Print help'
complete -c lastrites -n "__fish_lastrites_using_subcommand doctor" -l strict -d 'End with 3 when anything at all is missing, too'
complete -c lastrites -n "__fish_lastrites_using_subcommand doctor" -s h -l help -d 'Print help'

function __fish_lastrites_imported
    set -l data $XDG_DATA_HOME
    test -n "$data"
    or set data $HOME/.local/share
    for dir in $data/lastrites/imported /var/lib/lastrites-imported
        for file in $dir/*.lrt $dir/*.tar.gz
            string replace -r '^.*/(.*?)(\.lrt|\.tar\.gz)$' '$1' -- $file
        end
    end
end

complete -c lastrites -n "__fish_lastrites_using_subcommand explain view report list diff show export" -a "(__fish_lastrites_imported)"
complete -c lastrites -n "__fish_lastrites_using_subcommand explain view report list diff show export save" -l file -r -F -a "(__fish_lastrites_imported)"
complete -c lastrites -n "__fish_lastrites_using_subcommand import" -l remove -r -f -a "(__fish_lastrites_imported)"
