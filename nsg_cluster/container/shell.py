"""Shell functions that stand at the head of ``%setup`` and ``%post``, and lines that call them.

``%setup`` runs on the host, where ``tar`` is GNU's: it packs what is copied from the context and unpacks it in a
staging folder of the image, `STAGING`, so that modes and links are kept (``%files`` follows links and applies a umask).
``%post`` runs in the image, whose programs may be Busybox's, and puts things in place between the RUNs, in the order of
the Dockerfile. Variables carry a prefix, since those of ENV are exported in the same shell.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from nsg_cluster.container.quoting import quote

__all__ = ["PACKED", "STAGING", "call", "post_script", "setup_script"]

STAGING = "/.nsg"
"""Folder of the image while it is built: what is to be copied, one numbered folder each."""
PACKED = "/.nsg-out"
"""Folder of a stage: what is copied from it into an image that has no shell."""

SETUP = """\
set +x
umask 022
nsg_root=${APPTAINER_ROOTFS:-$SINGULARITY_ROOTFS} nsg_path=$PATH
"""

POST = """\
set +x
umask 022
nsg_root= nsg_path=$PATH nsg_line=1
trap 'nsg_status=$?; [ $nsg_status = 0 ] || echo "Dockerfile:$nsg_line: failed with exit status $nsg_status" >&2' EXIT
unset PS1 PROMPT_COMMAND
case ${LD_LIBRARY_PATH-} in */.singularity.d/libs) LD_LIBRARY_PATH=${LD_LIBRARY_PATH%/.singularity.d/libs};; esac
LD_LIBRARY_PATH=${LD_LIBRARY_PATH%:}
[ "$LD_LIBRARY_PATH" ] || unset LD_LIBRARY_PATH
"""

FUNCTIONS = {
    "nsg_at": """\
# Says which line of the Dockerfile is at work.
nsg_at() { nsg_line=$1; echo "Dockerfile:$1: $2"; }
""",
    "nsg_pack": """\
# Stages files of the context: number, then arguments for tar.
nsg_pack() {
    nsg_to=$nsg_root/.nsg/$1; shift
    mkdir -p "$nsg_to"
    tar --create --owner=0 --group=0 --file="$nsg_to.tar" "$@"
    tar --extract --preserve-permissions --no-same-owner --directory="$nsg_to" --file="$nsg_to.tar"
    rm "$nsg_to.tar"
}
""",
    "nsg_unpack": """\
# Stages what is in an archive of the context: number, archive.
nsg_unpack() {
    mkdir -p "$nsg_root/.nsg/$1"
    tar --extract --preserve-permissions --no-same-owner --directory="$nsg_root/.nsg/$1" --file="$2"
}
""",
    "nsg_fetch": """\
# Stages a download: number, name, address, SHA-256 or nothing.
nsg_fetch() {
    mkdir -p "$nsg_root/.nsg/$1"
    nsg_to=$nsg_root/.nsg/$1/$2
    if command -v curl >/dev/null; then curl -fsSL --output "$nsg_to" "$3"; else wget -qO "$nsg_to" "$3"; fi
    [ -z "$4" ] || echo "$4  $nsg_to" | sha256sum --check --quiet -
    chmod 600 "$nsg_to"
}
""",
    "nsg_write": """\
# Stages a text: number, name, text.
nsg_write() { mkdir -p "$nsg_root/.nsg/$1"; printf %s "$3" >"$nsg_root/.nsg/$1/$2"; }
""",
    "nsg_folder": """\
# Makes a folder.
nsg_folder() ( PATH=$nsg_path; umask 022; mkdir -p "$1" )
""",
    "nsg_inside": """\
# Stops where a link leads out of the image, which the host would follow.
nsg_inside() {
    nsg_dir=$nsg_root$1
    while [ ! -d "$nsg_dir" ]; do nsg_dir=$(dirname "$nsg_dir"); done
    case $(cd -P "$nsg_dir" && pwd)/ in
        "$(cd -P "$nsg_root" && pwd)"/*) ;;
        *) echo "$1 lies behind a link that leads out of the image" >&2; exit 1 ;;
    esac
}
""",
    "nsg_label": """\
# Sets a label, also one that the base image has.
nsg_label() { printf '%s %s\\n' "$1" "$2" >>"${APPTAINER_LABELS:-$SINGULARITY_LABELS}"; }
""",
    "nsg_place": """\
# Copies what was staged: mode and owner or nothing, destination, then files and folders, of which the contents count.
nsg_place() (
    PATH=$nsg_path; umask 022
    nsg_mode=$1 nsg_owner=$2 nsg_to=$nsg_root$3; shift 3
    nsg_into=
    case $nsg_to in */) nsg_into=yes;; esac
    if [ $# -gt 1 ] || [ -d "$nsg_to" ]; then nsg_into=yes; fi
    # An owner without a group has the group of its own number.
    case $nsg_owner in '' | *:*) ;; *) nsg_owner=$nsg_owner:$(id -u "$nsg_owner") ;; esac
    for nsg_from do
        [ -z "$nsg_mode" ] || chmod -R "$nsg_mode" "$nsg_from"
        chown -R "${nsg_owner:-0:0}" "$nsg_from"
        if [ -d "$nsg_from" ]; then
            mkdir -p "$nsg_to"
            for nsg_entry in "$nsg_from"/* "$nsg_from"/.[!.]* "$nsg_from"/..?*; do
                if [ -e "$nsg_entry" ] || [ -h "$nsg_entry" ]; then cp -a "$nsg_entry" "$nsg_to/"; fi
            done
        elif [ "$nsg_into" ]; then
            mkdir -p "$nsg_to"
            cp -a "$nsg_from" "$nsg_to/"
        else
            mkdir -p "$(dirname "$nsg_to")"
            cp -a "$nsg_from" "$nsg_to"
        fi
    done
)
""",
    "nsg_as": """\
# Becomes another user and a program: user or user:group, then the program and its arguments.
nsg_as() {
    nsg_user=${1%%:*}; nsg_group=; nsg_home=/
    case $1 in *:*) nsg_group=${1#*:};; esac
    shift
    while IFS=: read -r nsg_name _ nsg_uid nsg_gid _ nsg_dir _; do
        if [ "$nsg_name" = "$nsg_user" ] || [ "$nsg_uid" = "$nsg_user" ]; then
            nsg_user=$nsg_name nsg_group=${nsg_group:-$nsg_gid} nsg_home=$nsg_dir
            break
        fi
    done </etc/passwd
    export HOME="$nsg_home"
    if [ "$nsg_user" = root ] && [ "${nsg_group:-0}" = 0 ]; then exec "$@"; fi
    nsg_group=${nsg_group:-0}
    if chroot --skip-chdir --userspec="$nsg_user:$nsg_group" / true 2>/dev/null; then
        exec chroot --skip-chdir --userspec="$nsg_user:$nsg_group" / "$@"
    elif su -s /bin/sh -c : "$nsg_user" 2>/dev/null; then
        exec su -p -s /bin/sh -c 'exec "$@"' "$nsg_user" sh "$@"
    fi
    echo "cannot become user '$nsg_user' in this build: it has to be in /etc/passwd of the image, and a range of" \\
        "user numbers in /etc/subuid and /etc/subgid of this machine; ask its administrator, or leave USER out" >&2
    exit 1
}
""",
    "nsg_cover": """\
# Covers a path for one RUN: path, folder or file to show there or nothing. What was there comes back.
nsg_cover() (
    PATH=$nsg_path; umask 022
    nsg_kept=/.nsg/covered$(echo "$1" | tr / _)
    if [ -e "$1" ]; then mv "$1" "$nsg_kept"; fi
    if [ -f "$2" ]; then mkdir -p "$(dirname "$1")"; cp -a "$2" "$1"; return; fi
    mkdir -p "$1"
    [ -z "$2" ] || cp -a "$2/." "$1/"
)
nsg_uncover() (
    PATH=$nsg_path; umask 022
    nsg_kept=/.nsg/covered$(echo "$1" | tr / _)
    if [ -e "$nsg_kept" ]; then rm -rf "$1"; mv "$nsg_kept" "$1"; return; fi
    if [ -d "$1" ]; then rm -rf "$1"; mkdir "$1"; else : >"$1"; fi
)
""",
    "nsg_keep": """\
# Makes a variable, whose value only this image knows, part of the image.
nsg_keep() (
    eval "nsg_value=\\$$1"
    PATH=$nsg_path
    nsg_value=$(printf '%s.' "$nsg_value" | sed "s/'/'\\\\\\\\''/g")
    printf "export %s='%s'\\n" "$1" "${nsg_value%.}" >>"${APPTAINER_ENVIRONMENT:-$SINGULARITY_ENVIRONMENT}"
)
""",
}
"""By name; each stands in a script that calls it."""


def call(function: str, *words: str) -> str:
    """Return a line that calls a function; the words are of the shell already."""
    return " ".join((function, *words))


def setup_script(lines: Sequence[str]) -> list[str]:
    """Return ``%setup``, which runs these lines, in pieces that can be parted."""
    return _script(SETUP, lines)


def post_script(lines: Sequence[str]) -> list[str]:
    """Return ``%post``, which runs these lines, in pieces that can be parted."""
    return _script(POST, lines)


def _script(head: str, lines: Sequence[str]) -> list[str]:
    body = "\n".join(lines)
    used = [text for name, text in FUNCTIONS.items() if f"{name} " in body]
    # Of a line's own lines only the first is indented: those behind it are inside quotes.
    return [textwrap.indent(text, "    ").rstrip("\n") for text in (head, *used)] + [f"    {line}" for line in lines]


def note(line: int, text: str) -> str:
    """Return a line that says which instruction is at work."""
    first = text.splitlines()[0] if text else ""
    return call("nsg_at", str(line), quote(first if len(first) <= 72 else f"{first[:71]}…"))
