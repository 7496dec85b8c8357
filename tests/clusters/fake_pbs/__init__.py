"""A PBS for machines without one: ``qsub qstat qdel qhold qrls qselect``, which run jobs and answer as OpenPBS 23.06.

It keeps its jobs in a file and starts one process for each submission, which plays server and node: jobs wait a moment
in Q, run in a session of their own without the submitter's environment, pass E, and stay in F. Modelled after recorded
answers: exit statuses 35 and 153 beside good output, no arrays of one, jobs that end in F without an exit status,
JSON that loses leading zeros, output that appears after the end. Files in its folder change its behavior: ``down``
(the server does not answer), ``broken_json`` (as old servers print).
"""
