FROM localhost/tiny
COPY a.txt /
COPY a.txt /renamed.txt
COPY a.txt /folder/
COPY a.txt /new/path/file
COPY a.txt b.txt /both/
COPY ["with space.txt", "/with space/"]
COPY ["a.txt", "/b c/d e.txt"]
COPY no_line_end /
COPY run.sh secret.key /modes/
COPY a.txt /etc
COPY /a.txt /from_root.txt
COPY ./src/../b.txt /dots.txt
