#!/usr/bin/env bash
# A throw-away SLURM of one node for tests and trials: real daemons, real accounting, no systemd, nothing in /etc.
#
#   eval "$(scripts/slurm_node.sh up)"     start what is not running; prints `export SLURM_CONF=...`
#   scripts/slurm_node.sh status           each daemon's process, then the partitions
#   scripts/slurm_node.sh down             cancel all jobs and stop every daemon
#
# Each takes the folder that holds all of the node's state as second argument (default: /tmp/slurm-dev). Nodes in
# different folders and on different ports do not disturb each other.
#
# Partitions: `low` (the default; its jobs are preempted and requeued) and `high` (preempts).
#
# Options, by environment; `up` on a running node applies those of preemption and waits at once:
#   SLURM_DEV_PORT            first of three TCP ports, on 127.0.0.1                               [16817]
#   SLURM_DEV_CPUS            processors that the node offers, whatever the machine has            [all]
#   SLURM_DEV_PREEMPT_SIGNAL  what a job hears first: `term` (SLURM's default), or `user`, the
#                             signal that it chose with --signal                                   [term]
#   SLURM_DEV_GRACE           seconds between that signal and the end (SLURM's default is 0)       [10]
#   SLURM_DEV_KILL_WAIT       seconds between the end's SIGTERM and SIGKILL (SLURM's default: 30)  [5]
#   SLURM_DEV_ACCOUNTING      0: no database, a faster start, no sacct                             [1]
#
# Exit codes: 0 done, 1 a daemon failed (its log's end is shown), 2 cannot be had here (the reason in one line),
# 3 (status) not all daemons run.
set -euo pipefail
# Debian keeps daemons out of the path of ordinary users.
PATH=$PATH:/usr/sbin:/sbin

COMMAND=${1:-}
ROOT=$(realpath -m "${2:-/tmp/slurm-dev}")
PORT=${SLURM_DEV_PORT:-16817}
CPUS=${SLURM_DEV_CPUS:-$(nproc)}
PREEMPT_SIGNAL=${SLURM_DEV_PREEMPT_SIGNAL:-term}
GRACE=${SLURM_DEV_GRACE:-10}
KILL_WAIT=${SLURM_DEV_KILL_WAIT:-5}
ACCOUNTING=${SLURM_DEV_ACCOUNTING:-1}

ME=$(id -un)
NODE=$(uname -n | cut -d. -f1)
MUNGE_SOCKET=$ROOT/munge/socket
# Every daemon inherits it; this is also how `pid_of` knows this node's daemons from another's.
export SLURM_CONF=$ROOT/slurm.conf
# Where slurmdbd finds the database: its client library takes the socket from here, so no port is opened.
export MYSQL_UNIX_PORT=$ROOT/db/socket

say() { echo "$*" >&2; }
refuse() { say "$*"; exit 2; }

fail() {
    say "$*"
    tail -n 5 "$ROOT"/log/*.log >&2
    exit 1
}

# wait_until SECONDS COMMAND...: is the command true before the time is over?
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# ---- processes --------------------------------------------------------------------------------------------------

# belongs_here PID NAME: a live process of that name, started with this node's SLURM_CONF. The number alone proves
# nothing: it may be in use again. A zombie, which `kill -0` takes for alive, has no environment.
belongs_here() {
    grep -qsxF "$2" "/proc/$1/comm" && grep -qszxF "SLURM_CONF=$SLURM_CONF" "/proc/$1/environ"
}

pid_of() {
    local pid
    pid=$(cat "$ROOT/pid/$1.pid" 2>/dev/null) && [ -n "$pid" ] && belongs_here "$pid" "$1" && echo "$pid"
}

runs() { pid_of "$1" >/dev/null; }

# What runs a job's processes. They outlive slurmd, so that it can be restarted.
step_pids() {
    local pid
    grep -lsxF slurmstepd /proc/[0-9]*/comm | cut -d/ -f3 | while read -r pid; do
        if belongs_here "$pid" slurmstepd; then echo "$pid"; fi
    done || true  # grep finds none
}

no_steps_left() { [ -z "$(step_pids)" ]; }

# start NAME COMMAND...: unless it runs. Its output goes to a file, else `slurm_node.sh up | cat` would never end.
start() {
    local name=$1
    shift
    runs "$name" && return
    setsid "$@" >"$ROOT/log/$name.out.log" 2>&1 </dev/null &
    wait_until 20 runs "$name" || fail "$name did not start."
}

stop() {
    local pid
    pid=$(pid_of "$1") || return 0
    kill "$pid"
    wait_until 20 is_gone "$pid" "$1" && return
    say "$1 ($pid) did not stop within 20 s and is killed."
    kill -KILL "$pid"
    wait_until 5 is_gone "$pid" "$1"
}

# By the process: a daemon removes its pid file long before its end.
is_gone() { ! belongs_here "$@"; }

# ---- what must be true before anything is started ---------------------------------------------------------------

require_programs() {
    local -A package_of=(
        [munged]=munge [slurmctld]=slurm-wlm [slurmd]=slurm-wlm [sbatch]=slurm-wlm
    )
    [ "$ACCOUNTING" = 0 ] || package_of+=(
        [slurmdbd]=slurmdbd [mariadbd]=mariadb-server-core [mariadb-install-db]=mariadb-server-core
    )
    local program missing=()
    for program in "${!package_of[@]}"; do
        command -v "$program" >/dev/null || missing+=("${package_of[$program]}")
    done
    [ ${#missing[@]} -eq 0 ] || refuse "A SLURM node needs Debian packages that are missing here: apt-get install" \
        "--no-install-recommends $(printf '%s\n' "${missing[@]}" | sort -u | paste -sd ' ')"
}

require_options() {
    local name
    for name in PORT CPUS GRACE KILL_WAIT; do
        [[ ${!name} =~ ^(0|[1-9][0-9]*)$ ]] || refuse "SLURM_DEV_$name=${!name}: expected a whole number."
    done
    [ "$CPUS" -gt 0 ] || refuse "SLURM_DEV_CPUS=$CPUS: expected at least 1."
    [[ $PREEMPT_SIGNAL =~ ^(term|user)$ ]] || refuse "SLURM_DEV_PREEMPT_SIGNAL=$PREEMPT_SIGNAL: expected term or user."
    [[ $ACCOUNTING =~ ^[01]$ ]] || refuse "SLURM_DEV_ACCOUNTING=$ACCOUNTING: expected 0 or 1."
}

require_folder() {
    # The path of a Unix socket has at most 107 characters.
    [ ${#ROOT} -le 90 ] || refuse "The folder's path is too long for sockets (${#ROOT} characters, at most 90): $ROOT"
    mkdir -p "$ROOT" 2>/dev/null || refuse "No permission to make $ROOT."
    [ -w "$ROOT" ] || refuse "No permission to write into $ROOT."
}

require_free_port() {
    runs "$1" && return
    ! (: <>"/dev/tcp/127.0.0.1/$2") 2>/dev/null ||
        refuse "Port $2, for $1, is taken by another program; choose three free ones from SLURM_DEV_PORT on."
}

# ---- configuration ----------------------------------------------------------------------------------------------

slurm_conf() {
    local memory per_cpu user_signal=""
    memory=$(awk '/^MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
    # As many jobs as processors fit; 2 GB are enough for a small torch program.
    per_cpu=$((memory / CPUS < 2048 ? memory / CPUS : 2048))
    [ "$PREEMPT_SIGNAL" = term ] || user_signal=SlurmctldParameters=preempt_send_user_signal
    cat <<CONF
ClusterName=dev
SlurmctldHost=$NODE(127.0.0.1)
SlurmctldPort=$PORT
SlurmdPort=$((PORT + 1))
# Listen on the addresses named here only.
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=$ME
SlurmdUser=$ME
AuthType=auth/munge
# A requeued job may start after cred_expire seconds: 120 if left alone, 5 at least (less is ignored silently).
AuthInfo=socket=$MUNGE_SOCKET,cred_expire=5
CredType=cred/munge
StateSaveLocation=$ROOT/state
SlurmdSpoolDir=$ROOT/spool
SlurmctldPidFile=$ROOT/pid/slurmctld.pid
SlurmdPidFile=$ROOT/pid/slurmd.pid
SlurmctldLogFile=$ROOT/log/slurmctld.log
SlurmdLogFile=$ROOT/log/slurmd.log
# No cgroups, which need root and often systemd: nothing is confined. A job's processes are known by their process
# group; proctrack/linuxproc, which follows parents, would leave those whose parent has ended running after the job.
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=$per_cpu
$(accounting_conf)
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
$user_signal
JobRequeue=1
ReturnToService=2
KillWait=$KILL_WAIT
# Seconds for which squeue and scontrol still know a job that has ended.
MinJobAge=3600
# Decide within seconds; the defaults (30 and 60 s) suit a cluster of thousands of jobs.
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=100000,batch_sched_delay=0
# The node has the processors stated here, not those that slurmd counts.
SlurmdParameters=config_overrides
NodeName=$NODE NodeAddr=127.0.0.1 CPUs=$CPUS RealMemory=$memory State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES DefaultTime=10 MaxTime=INFINITE PriorityTier=1 PreemptMode=REQUEUE GraceTime=$GRACE
PartitionName=high Nodes=ALL DefaultTime=10 MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF
CONF
}

accounting_conf() {
    if [ "$ACCOUNTING" = 0 ]; then
        echo "AccountingStorageType=accounting_storage/none"
        return
    fi
    cat <<CONF
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((PORT + 2))
AccountingStoragePass=$MUNGE_SOCKET
CONF
}

slurmdbd_conf() {
    cat <<CONF
AuthType=auth/munge
AuthInfo=socket=$MUNGE_SOCKET
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$((PORT + 2))
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=$ME
LogFile=$ROOT/log/slurmdbd.log
PidFile=$ROOT/pid/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
# Without a password: the database listens on a socket in a folder that only its owner may enter.
StorageUser=root
StorageLoc=slurm
CONF
}

write_configuration() {
    # munged wants to reach its socket from every account, and its key readable by its owner alone.
    mkdir -p "$ROOT"/{state,spool,log,pid,db/tmp,munge}
    chmod 755 "$ROOT" "$ROOT/spool"
    chmod 711 "$ROOT/munge"
    chmod 700 "$ROOT/db"
    [ -s "$ROOT/munge/key" ] || (umask 077 && head -c 128 /dev/urandom >"$ROOT/munge/key")
    # slurmdbd refuses a file that others can read; it takes it from beside $SLURM_CONF.
    (umask 077 && slurmdbd_conf >"$ROOT/slurmdbd.conf")
    slurm_conf >"$SLURM_CONF.new"
    mv "$SLURM_CONF.new" "$SLURM_CONF"
}

# ---- daemons ----------------------------------------------------------------------------------------------------

start_munged() {
    # --force: folders above may be closed to other accounts, which is no harm where one account uses the node.
    start munged munged --force --socket="$MUNGE_SOCKET" --key-file="$ROOT/munge/key" \
        --pid-file="$ROOT/pid/munged.pid" --log-file="$ROOT/log/munged.log" --seed-file="$ROOT/munge/seed"
    wait_until 10 test -S "$MUNGE_SOCKET" || fail "munged opened no socket."
}

start_database() {
    if [ ! -d "$ROOT/db/data/mysql" ]; then
        # In /tmp the temporary tables of two nodes that are made at once would have the same names.
        mariadb-install-db --no-defaults --user="$ME" --datadir="$ROOT/db/data" --tmpdir="$ROOT/db/tmp" \
            --skip-test-db --skip-name-resolve --auth-root-authentication-method=normal \
            >"$ROOT/log/mariadb-install-db.log" 2>&1 ||
            fail "The database could not be made."
    fi
    # slurmdbd wants the long wait for locks; it would like more memory, but a few thousand jobs need none.
    start mariadbd mariadbd --no-defaults --user="$ME" --datadir="$ROOT/db/data" --tmpdir="$ROOT/db/tmp" \
        --socket="$MYSQL_UNIX_PORT" --skip-networking --pid-file="$ROOT/pid/mariadbd.pid" \
        --innodb-buffer-pool-size=32M --innodb-lock-wait-timeout=900
    wait_until 30 test -S "$MYSQL_UNIX_PORT" || fail "The database opened no socket."
    start slurmdbd slurmdbd
    wait_until 30 cluster_is_registered 2>/dev/null || fail "slurmdbd does not answer: $(cluster_is_registered 2>&1)"
}

cluster_is_registered() {
    local clusters
    clusters=$(timeout 5 sacctmgr -n list cluster format=cluster) || return 1
    grep -qw dev <<<"$clusters" || sacctmgr -Q -i add cluster dev >/dev/null
}

start_daemons() {
    start_munged
    [ "$ACCOUNTING" = 0 ] || start_database
    start slurmctld slurmctld
    start slurmd slurmd
    wait_until 30 takes_jobs || fail "The node takes no jobs: $(sinfo -h -p low -o '%T %E' 2>&1)"
}

# "idle*" means that slurmd has not answered the controller yet.
takes_jobs() { [[ $(timeout 5 sinfo -h -p low -o %T 2>/dev/null) =~ ^(idle|mixed|allocated|completing)$ ]]; }

# ---- commands ---------------------------------------------------------------------------------------------------

up() {
    require_programs
    require_folder
    require_free_port slurmctld "$PORT"
    require_free_port slurmd "$((PORT + 1))"
    [ "$ACCOUNTING" = 0 ] || require_free_port slurmdbd "$((PORT + 2))"
    if runs slurmctld && [ "$(slurm_conf)" != "$(cat "$SLURM_CONF")" ]; then
        [ "$(slurm_conf | fixed_lines)" = "$(fixed_lines <"$SLURM_CONF")" ] ||
            refuse "The node in $ROOT runs with another port, number of processors or accounting: take it down first."
        write_configuration
        scontrol reconfigure
    fi
    write_configuration
    start_daemons
    echo "export SLURM_CONF=$SLURM_CONF"
}

# What SLURM does not change while it runs.
fixed_lines() { grep -E '^(SlurmctldPort|NodeName|AccountingStorageType)='; }

down() {
    # Only the daemons can end a job in an orderly way, so they are brought back if jobs have outlived them.
    if runs slurmctld || ! no_steps_left; then
        (start_munged && start slurmctld slurmctld && start slurmd slurmd)
        timeout 10 scancel --user="$ME" || say "Jobs could not be cancelled."
        wait_until $((KILL_WAIT + 20)) no_steps_left || say "Still running a job: $(step_pids | paste -sd ' ')"
    fi
    local daemon
    for daemon in slurmd slurmctld slurmdbd mariadbd munged; do stop "$daemon"; done
    no_steps_left
}

status() {
    local daemon
    for daemon in munged mariadbd slurmdbd slurmctld slurmd; do
        printf '%-10s %s\n' "$daemon" "$(pid_of "$daemon" || echo 'not running')"
    done
    for daemon in munged slurmctld slurmd; do runs "$daemon" || exit 3; done
    timeout 5 sinfo || exit 3
}

case $COMMAND in
    up | down | status) ;;
    *) refuse "usage: slurm_node.sh up|down|status [FOLDER]" ;;
esac
require_options
"$COMMAND"
