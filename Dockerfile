# lbproxy as one static program on nothing: proxy, mock upstream, set-up, watcher, probes. docs/docker.md says how it
# is run. `docker build .` compiles it; scripts/image puts a program in the place of the stage `build`
# (--build-context build=FOLDER), where no image can be pulled.
ARG RUST_VERSION=1.91

FROM docker.io/library/rust:${RUST_VERSION}-bookworm AS build
ARG AUDITABLE_VERSION=0.7.7
RUN cargo install --locked "cargo-auditable@${AUDITABLE_VERSION}"
WORKDIR /src
COPY . .
# The list of crates is in the program (cargo-auditable): the bill of materials that scanners of images read.
RUN cargo auditable rustc --release --locked --bin lbproxy -- \
      -C target-feature=+crt-static -C strip=symbols \
 && install -D -m 0555 target/release/lbproxy /image/root/lbproxy \
 && install -d /image/root/var/lib \
 && install -d -m 0750 /image/state

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
# No date: the same sources make the same labels.
LABEL org.opencontainers.image.title="lbproxy" \
      org.opencontainers.image.description="Reverse proxy and load balancer whose every request becomes a record that survives." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image/root /
# The journal, and all else that is written. The root may be read-only.
COPY --from=build --chown=65532:65532 /image/state /var/lib/lbproxy
VOLUME /var/lib/lbproxy
WORKDIR /var/lib/lbproxy
ENV TMPDIR=/var/lib/lbproxy
USER 65532:65532
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/lbproxy", "health"]
ENTRYPOINT ["/lbproxy"]
CMD ["run"]
