"""Schedulers for the tests, on this machine, for the length of a test: real Slurm and Grid Engine, and a fake PBS.

Nothing is installed and nothing outside ``/tmp/nsg-<user number>`` changes: Debian's packages are downloaded, unpacked
there, and their daemons run as an ordinary user, on ports that were free. A session that is root makes one user,
``nsgtest``, because schedulers are not used as root. By hand::

    python -m tests.clusters up [slurm|gridengine|pbs]     and leave them running
    python -m tests.clusters status
    python -m tests.clusters down
"""
