FROM localhost/tiny AS other
RUN mkdir /data && echo other > /data/file
FROM localhost/tiny
RUN --mount=type=bind,source=src,target=/mnt/src cat /mnt/src/main.py > /seen
RUN --mount=target=/ctx cat /ctx/a.txt >> /seen
RUN --mount=type=bind,from=other,source=/data,target=/mnt/data cat /mnt/data/file >> /seen
RUN --mount=type=bind,source=a.txt,target=/mnt/one.txt cat /mnt/one.txt >> /seen
