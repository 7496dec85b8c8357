"""Real Apptainer and Buildah for the tests, used as an ordinary user, and base images without an image registry.

Nothing is installed: Debian's packages are downloaded and unpacked below ``/tmp/nsg-<user number>/containers``, once.
A session that is root gives the ordinary user what a cluster's administrator would: a range of user numbers
(``/etc/subuid``, ``/etc/subgid``), a ``newuidmap`` with the set-uid bit, and access to ``/dev/fuse``. By hand::

    python -m tests.containers        make everything, and print how to use it as that user
"""
