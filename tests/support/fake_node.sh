#!/bin/bash
# A node that takes part in nothing: it reports what a real one would, so that the handling of
# processes can be tested alone. Behaviour is changed by files in the directory above its own.
kind=$2
while [ $# -gt 0 ]; do
    case $1 in
        --dir) dir=$2 ;;
        --listen) address=$2 ;;
    esac
    shift
done
name=${dir##*/}
above=${dir%/*}

event() {
    IFS=' ' read -r uptime _ < /proc/uptime
    echo "{\"at_us\":${uptime/./}0000,\"event\":$1}"
}
generation() {
    sed -E 's/.*"generation":([0-9]+).*/\1/' "$dir/links.json"
}

if [ -e "$above/fail-$name" ]; then
    echo "cannot listen: no such luck" >&2
    exit 3
fi
trap 'event "\"links\",\"generation\":$(generation)"' USR1
trap '[ -e "$above/deaf-$name" ] || { event "\"stopping\",\"reason\":\"told to\""; exit 0; }' TERM
event "\"started\",\"pid\":$$,\"links\":$(generation)"
event "\"ready\",\"address\":\"${address:-here}\""
case $kind in
    balancer) event '"opened"' ;;
    server) [ "$name" = s1 ] && event '"leading","ballot":{"round":1,"server":1},"promised_by":[1,2],"after":0' ;;
    client)
        event "\"joined\",\"client\":5,\"name\":\"$name\",\"server\":1"
        id=0
        pending=
        while :; do
            # Traps wait while bash reads, so it reads for a moment at a time.
            IFS= read -r -t 0.05 line
            status=$?
            pending=$pending$line
            [ $status -gt 128 ] && continue
            [ $status -ne 0 ] && exit 0
            [ "$pending" = '"leave"' ] && exit 0
            pending=
            id=$((id + 1))
            event "\"read_asked\",\"client\":5,\"id\":$id"
        done
        ;;
esac
while :; do
    sleep 1000 &
    wait $!
done
