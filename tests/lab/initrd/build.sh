# In an image: makes /boot/lab-initrd-VERSION for each of its kernels, from /lab-init and what is installed.
for modules in /lib/modules/*; do
    version=${modules##*/}
    tree=/lab-initrd
    for dir in bin dev modules proc root run sys; do
        mkdir -p "$tree/$dir"
    done
    cp /bin/busybox "$tree/bin/busybox"
    cp /lab-init "$tree/init"
    chmod +x "$tree/init"
    # Some kernels have the first of these built in, or know the last by another name.
    for wanted in virtio_pci virtio_blk ext4; do
        modprobe --set-version "$version" --show-depends "$wanted"
    done >/lab-modules
    modprobe --set-version "$version" --show-depends crc32c_generic >/lab-checksums 2>/dev/null || true
    number=100
    cat /lab-checksums /lab-modules | while read -r how path _; do
        name=${path##*/}
        # Several want the same.
        [ "$how" = insmod ] && ! ls "$tree/modules" | grep -q -- "-$name\$" || continue
        number=$((number + 1))
        cp "$path" "$tree/modules/$number-$name"
    done
    for module in "$tree"/modules/*; do
        case "$module" in
        *.xz) busybox unxz "$module" ;;
        *.zst) zstd --quiet --rm -d "$module" ;;
        esac
    done
    (cd "$tree" && find . | cpio --quiet -o -H newc) >"/boot/lab-initrd-$version"
    rm -r "$tree" /lab-modules /lab-checksums
done
rm /lab-init
