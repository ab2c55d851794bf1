# docquay in an image that holds nothing else: the static binary, and /certs for a volume.
#
#   docker build -t docquay .                                from source
#   dist/build && docker build -t docquay --target given .   with the binary that dist/build left in dist/out
#
# No shell, no /etc, no CA file: Mozilla's roots are in the binary, and names are resolved by the /etc/resolv.conf and
# /etc/hosts that every container runtime mounts.

FROM scratch AS runtime
# Stands for nobody in particular; a volume's folder on the host must belong to it.
USER 65532:65532
ENV DOCQUAY_BIND=[::] DOCQUAY_CERTS=/certs
EXPOSE 80 443 8080
ENTRYPOINT ["/docquay"]

# The binary is root's, so that the process cannot change it; image/files holds the empty certs, mode 0700.
FROM runtime AS given
COPY dist/out/image/docquay /docquay
COPY --chown=65532:65532 dist/out/image/files/ /

FROM docker.io/library/rust:1.95.0-bookworm AS build
# The image has this toolchain; rust-toolchain.toml would fetch components for developers too.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /src
COPY . .
RUN dist/build binary

FROM runtime
COPY --from=build /src/dist/out/image/docquay /docquay
COPY --from=build --chown=65532:65532 /src/dist/out/image/files/ /
