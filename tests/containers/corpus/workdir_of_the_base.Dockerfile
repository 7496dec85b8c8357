FROM localhost/tiny
ENV BASE=${PATH%%:*}
WORKDIR ${BASE}/x
RUN pwd > /where
COPY a.txt .
COPY a.txt $BASE/y/
