FROM localhost/tiny
RUN echo "double \"quotes\" and 'single'" > /a
RUN echo 'single "quotes"' \$HOME "\$HOME" `echo sub` $(echo sub) > /b
RUN printf '%s\n' "a b" 'c	d' "e\\f" > /c
RUN echo {{ not a template }} {} %d > /d
RUN echo $((1 + 2)) ${PATH%%:*} $? > /e
