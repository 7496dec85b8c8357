FROM localhost/tiny
ENV A=one
RUN echo $A > /first
ENV A=two
RUN echo $A > /second
RUN A=three; echo $A > /third
