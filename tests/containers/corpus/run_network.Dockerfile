FROM localhost/tiny
RUN --network=host echo x > /x
RUN --network=default echo y > /y
