# comment before
FROM localhost/tiny
#RUN exit 1
 # RUN exit 1
RUN echo "#no comment" > /out
COPY a.txt /hash#name
