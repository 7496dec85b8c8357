FROM localhost/tiny
RUN mkdir /d && echo from run > /d/a.txt && echo kept > /d/kept
COPY a.txt /d/
RUN cat /d/a.txt > /seen && echo changed > /d/a.txt
COPY b.txt /d/b.txt
RUN rm /d/b.txt && cat /d/a.txt >> /seen
COPY b.txt /d/c.txt
