# escape=`
FROM localhost/tiny
ENV A=back\slash B=`$x
RUN echo continued `
    line > /out; echo "$A" >> /out
COPY a.txt `
     /copied/
