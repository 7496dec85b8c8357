"""Shell functions that stand at the head of ``%setup`` and ``%post``, and lines that call them.

``%setup`` runs on the host, where ``tar`` is GNU's: it packs what is copied from the context and unpacks it in a
staging folder of the image, `STAGING`, so that modes and links are kept (``%files`` follows links and applies a umask).
``%post`` runs in the image, whose programs may be Busybox's, and puts things in place between the RUNs, in the order of
the Dockerfile. Variables carry a prefix, since those of ENV are exported in the same shell.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from nsg_cluster.container.dockerfile import Instruction
from nsg_cluster.container.quoting import quote

__all__ = ["PACKED", "STAGING", "call", "note", "post_script", "setup_script"]

STAGING = "/.nsg"
"""Folder of the image while it is built: what is to be copied, one numbered folder each."""
PACKED = "/.nsg-out"
"""Folder of a stage: what is copied from it into an image that has no shell."""

SETUP = """\
set +x
umask 022
nsg_root=${APPTAINER_ROOTFS:-$SINGULARITY_ROOTFS} nsg_path=$PATH
"""

POST = r"""set +x
umask 022
nsg_root= nsg_path=$PATH nsg_line=1
trap 'nsg_status=$?; [ $nsg_status = 0 ] || echo "Dockerfile:$nsg_line: failed with exit status $nsg_status" >&2' EXIT
# While it builds, Apptainer shows the host's folders there; what RUN and COPY write belongs into the image.
for nsg_dir in /tmp /var/tmp; do
    while grep -q " $nsg_dir " /proc/self/mounts && umount -l "$nsg_dir"; do :; done
    ! grep -q " $nsg_dir " /proc/self/mounts || echo "$nsg_dir is the host's here, and not kept: umount is missing" >&2
done
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
    "nsg_in": """\
# Enters the folder of a RUN.
nsg_in() { cd "$1" && unset OLDPWD; }
""",
    "nsg_folder": r"""# Makes a folder: path, and the user whom it and those made above it belong to, or nothing.
nsg_folder() (
    PATH=$nsg_path; umask 022
    nsg_top=$1
    while [ ! -e "$(dirname "$nsg_top")" ]; do nsg_top=$(dirname "$nsg_top"); done
    if [ -e "$1" ] || ! mkdir -p "$1" || [ -z "$2" ]; then [ -d "$1" ]; return; fi
    case $2 in *:*) nsg_owner=$2 ;; *) nsg_owner=$2:$(id -g "$2" 2>/dev/null || echo 0) ;; esac
    chown -R "$nsg_owner" "$nsg_top"
)
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
    "nsg_place": r"""# Copies: mode and owner or nothing, destination, then files, and folders, whose contents count.
# PATH/. is a whole image. Mode and owner are for what was staged.
nsg_place() (
    PATH=$nsg_path; umask 022
    nsg_mode=$1 nsg_owner=$2 nsg_to=$nsg_root$3; shift 3
    nsg_into=
    case $nsg_to in */) nsg_into=yes ;; esac
    if [ $# -gt 1 ] || [ -d "$nsg_to" ]; then nsg_into=yes; fi
    # An owner without a group has the group of its own number.
    case $nsg_owner in '' | *:*) ;; *) nsg_owner=$nsg_owner:$(id -u "$nsg_owner") ;; esac
    for nsg_from do
        case $nsg_from in "$nsg_root"/.nsg/*)
            [ -z "$nsg_mode" ] || chmod -R "$nsg_mode" "$nsg_from"
            # Not for those of root: it would clear their set-user bits.
            if [ "$nsg_owner" ]; then chown -Rh "$nsg_owner" "$nsg_from"
            else find "$nsg_from" ! -user 0 -exec chown -h 0:0 {} +; fi ;;
        esac
        if [ -d "$nsg_from" ]; then
            mkdir -p "$nsg_to"
            for nsg_entry in "$nsg_from"/* "$nsg_from"/.[!.]* "$nsg_from"/..?*; do
                case $nsg_entry in
                    */./.nsg | */./.nsg-out | */./.singularity.d | */./.post.script) continue ;;
                    */./dev | */./environment | */./proc | */./singularity | */./sys) continue ;;
                esac
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
    "nsg_as": r"""# Becomes another user and a program: user or user:group, then the program and its arguments.
nsg_as() {
    nsg_user=${1%%:*} nsg_group= nsg_own= nsg_home=/
    case $1 in *:*) nsg_group=${1#*:} ;; esac
    shift
    while IFS=: read -r nsg_name _ nsg_uid nsg_gid _ nsg_dir _; do
        if [ "$nsg_name" = "$nsg_user" ] || [ "$nsg_uid" = "$nsg_user" ]; then
            nsg_user=$nsg_name nsg_own=$nsg_gid nsg_home=$nsg_dir
            break
        fi
    done </etc/passwd
    while [ "$nsg_group" ] && IFS=: read -r nsg_name _ nsg_gid _; do
        [ "$nsg_name" != "$nsg_group" ] || nsg_group=$nsg_gid
    done </etc/group
    nsg_group=${nsg_group:-${nsg_own:-0}}
    export HOME="$nsg_home"
    if [ "$nsg_user:$nsg_group" = root:0 ]; then exec "$@"; fi
    if chroot --skip-chdir --userspec="$nsg_user:$nsg_group" / true 2>/dev/null; then
        exec chroot --skip-chdir --userspec="$nsg_user:$nsg_group" / "$@"
    elif [ "$nsg_group" = "$nsg_own" ] && su -s /bin/sh -c : -- "$nsg_user" 2>/dev/null; then
        exec su -p -s /bin/sh -c 'exec "$@"' -- "$nsg_user" sh "$@"
    fi
    echo "cannot become user $nsg_user with group $nsg_group in this build: the image needs the chroot of coreutils," \
        "or the user in /etc/passwd; this machine needs a range for you in /etc/subuid and /etc/subgid" >&2
    exit 1
}
""",
    "nsg_cover": r"""# Covers a path for one RUN: path, and what to show there or nothing. What was there comes back.
nsg_cover() (
    PATH=$nsg_path; umask 022
    nsg_kept=/.nsg/covered$(echo "$1" | tr / _)
    mkdir -p /.nsg
    if [ -e "$1" ]; then mv "$1" "$nsg_kept"; fi
    # The first folder above that is missing too, and goes again.
    nsg_top=$1
    while [ ! -d "$(dirname "$nsg_top")" ]; do nsg_top=$(dirname "$nsg_top"); done
    printf %s "$nsg_top" >"$nsg_kept.top"
    mkdir -p "$(dirname "$1")"
    if [ -f "$2" ]; then cp -a "$2" "$1"; return; fi
    mkdir "$1"
    [ -z "$2" ] || cp -a "$2/." "$1/"
)
nsg_uncover() (
    PATH=$nsg_path; umask 022
    nsg_kept=/.nsg/covered$(echo "$1" | tr / _)
    rm -rf "$1"
    if [ -e "$nsg_kept" ]; then mv "$nsg_kept" "$1"; return; fi
    nsg_dir=$1 nsg_top=$(cat "$nsg_kept.top")
    while [ "$nsg_dir" != "$nsg_top" ]; do nsg_dir=$(dirname "$nsg_dir"); rmdir "$nsg_dir" 2>/dev/null || break; done
)
""",
    "nsg_keep": r"""# Makes a variable, whose value only this image knows, part of the image.
nsg_keep() (
    eval "nsg_value=\$$1"
    PATH=$nsg_path
    # Double quotes, because the shell inside Apptainer that reads this keeps the backslash of a quoted single quote.
    nsg_value=$(printf '%s.' "$nsg_value" | sed 's/[\\"$`]/\\&/g')
    printf 'export %s="%s"\n' "$1" "${nsg_value%.}" >>"${APPTAINER_ENVIRONMENT:-$SINGULARITY_ENVIRONMENT}"
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


def note(instruction: Instruction) -> str:
    """Return a line that says which instruction is at work."""
    shown = instruction.shown
    return call("nsg_at", str(instruction.line), quote(shown if len(shown) <= 72 else f"{shown[:71]}…"))
