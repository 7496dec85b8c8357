FROM localhost/tiny
ENV A=1
RUN ["/bin/sh", "-c", "echo exec form > /out"]
RUN ["/bin/touch", "/a b", "/$A", "/it's"]
RUN [ "/bin/sh", "-c", "printf '%s\\n' \"$0\" \"$@\" > /args", "zero", "one two", "" ]
