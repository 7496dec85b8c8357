FROM localhost/tiny
RUN echo first > /first
FROM localhost/tiny
RUN echo second > /second
