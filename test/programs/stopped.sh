# test/programs/stopped.sh stdout|both COMMAND...: run it with stdout, or stderr
# too, in a pipe that is open and that nobody reads.
where=$1
shift
pipe=$(mktemp -u) && mkfifo "$pipe" || exit 1
exec 9<>"$pipe"
rm "$pipe"
case $where in
stdout) exec "$@" >&9 9>&- ;;
both) exec "$@" >&9 2>&9 9>&- ;;
esac
