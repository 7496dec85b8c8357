# escape=`
FROM localhost/tiny
RUN echo continued `
    line > /out; echo "a\\b" >> /out
COPY a.txt `
     /copied/
