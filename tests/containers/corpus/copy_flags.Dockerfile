FROM localhost/tiny
COPY --chmod=600 a.txt /a
COPY --chmod=755 src /src
COPY --chown=app a.txt /owned/one
COPY --chown=app:app src /owned/two
COPY --chown=1000:1000 --chmod=640 b.txt /owned/three
COPY --link a.txt /linked/
COPY --link=false a.txt /unlinked/
RUN stat -c '%n %u %g %a' /owned/one /owned/two/main.py /owned/two/pkg /owned/three /a > /stat
