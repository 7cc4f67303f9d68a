# SPDX-License-Identifier: BSD-2-Clause
"""Kernels of Debian, unpacked for the virtual machine: never installed, kept below out/vm."""

import fnmatch
import glob
import lzma
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile

from debian import CACHE, Apt, Unavailable, locked, output

KERNELS = os.path.join(CACHE, "vm")

# Of the kernel's 400 MB of modules: those that the tests, the start and the cards may need.
FOLDERS = ["crypto", "fs/9p", "fs/fscache", "fs/netfs", "fs/overlayfs", "lib", "net",
           "drivers/char", "drivers/dca", "drivers/i2c/algos", "drivers/net/bonding",
           "drivers/net/ethernet/intel/e1000", "drivers/net/ethernet/intel/e1000e",
           "drivers/net/ethernet/intel/igb", "drivers/net/mdio", "drivers/net/phy",
           "drivers/net/vmxnet3", "drivers/pps", "drivers/ptp", "drivers/virtio"]
MODULES = [f"drivers/net/{name}" for name in (
    "dummy", "ethernet/realtek/8139cp", "ethernet/realtek/8139too", "ifb", "macvlan", "mdio", "mii",
    "net_failover", "tun", "veth", "virtio_net")]
WANTED = ["./boot/vmlinuz-*", "*/lib/modules/*/vmlinuz", "*/lib/modules/*/modules.*",
          *(f"*/lib/modules/*/kernel/{name}/*" for name in FOLDERS),
          *(f"*/lib/modules/*/kernel/{name}.ko*" for name in MODULES)]
# What an unpacked kernel says of how it was made; another text: it is made anew.
RECIPE = "\n".join(["1", *WANTED])

ZSTD, XZ = b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0"


class Kernel:
    """A kernel that is ready to be started."""

    def __init__(self, directory):
        self.directory = directory
        self.image = os.path.join(directory, "vmlinux")
        (self.modules,) = glob.glob(os.path.join(directory, "lib", "modules", "*"))
        self.version = os.path.basename(self.modules)

    def insmod_order(self, names):
        """The files of modules and of what they depend on, in the order to load them in."""
        files = []
        for name in names:
            for line in output("modprobe", "-d", self.directory, "-S", self.version,
                               "--show-depends", name).splitlines():
                kind, _, file = line.strip().partition(" ")
                if kind == "insmod" and file not in files:  # the others are built in
                    files.append(file)
        return files


def find(package, suite):
    """The kernel of a package, or of that which it depends on, of a suite or the machine's apt."""
    apt = Apt(suite)
    # linux-image-amd64 depends on the newest.
    package = next((name for name in apt.depends(package) if name.startswith("linux-image-")),
                   package)
    directory = os.path.join(KERNELS, package)
    with locked(KERNELS):
        if not is_ready(directory):
            make(apt, package, directory)
    return Kernel(directory)


def is_ready(directory):
    try:
        with open(os.path.join(directory, "ready"), encoding="ascii") as file:
            return file.read() == RECIPE
    except FileNotFoundError:
        return False


def make(apt, package, directory):
    """Downloads and unpacks a kernel."""
    # Since 7.x the image, the modules and the lists of both are in packages of their own.
    parts = [name for name in apt.depends(package)
             if name.startswith(("linux-base-", "linux-binary-", "linux-modules-"))]
    print(f"vm: downloading {package}", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=KERNELS) as new:
        apt.download([package, *parts], new)
        for archive in glob.glob(os.path.join(new, "*.deb")):
            unpack_files(archive, new)
            os.unlink(archive)
        if os.path.exists(os.path.join(new, "usr")):
            os.rename(os.path.join(new, "usr", "lib"), os.path.join(new, "lib"))
        unpack_image(new)
        unpack_modules(new)
        output("depmod", "-b", new, Kernel(new).version)
        with open(os.path.join(new, "ready"), "w", encoding="ascii") as file:
            file.write(RECIPE)
        shutil.rmtree(directory, ignore_errors=True)
        os.rename(new, directory)
        os.mkdir(new)  # for the context to remove
    os.chmod(directory, 0o755)


def unpack_files(archive, directory):
    """What is wanted of a package."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as files:
        with tarfile.open(fileobj=files.stdout, mode="r|") as members:
            for member in members:
                if any(fnmatch.fnmatch(member.name, pattern) for pattern in WANTED):
                    members.extract(member, directory)
    if files.returncode:
        raise Unavailable(f"{archive} cannot be unpacked")


def unpack_image(directory):
    """
    The kernel of a bzImage, unpacked, since that takes half a minute in an emulated machine. See
    Documentation/x86/boot.rst, "payload_offset".
    """
    (path,) = [*glob.glob(os.path.join(directory, "boot", "vmlinuz-*")),
               *glob.glob(os.path.join(directory, "lib", "modules", "*", "vmlinuz"))]
    with open(path, "rb") as file:
        image = file.read()
    setup_sectors = image[0x1F1]
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start:start + length]
    if payload.startswith(XZ):
        kernel = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(ZSTD):
        # Behind it stands its unpacked length, which is nothing to zstd.
        kernel = subprocess.run(["zstd", "-d", "-c"], input=payload[:-4], check=True,
                                stdout=subprocess.PIPE).stdout
    else:
        raise Unavailable(f"{path}: compressed by neither xz nor zstd")
    with open(os.path.join(directory, "vmlinux"), "wb") as file:
        file.write(kernel)
    os.unlink(path)


def unpack_modules(directory):
    """busybox knows no compressed modules, and the emulated machine is slow."""
    for path in glob.glob(os.path.join(directory, "lib", "modules", "**", "*.ko.xz"),
                          recursive=True):
        with lzma.open(path) as file, open(path.removesuffix(".xz"), "wb") as unpacked:
            shutil.copyfileobj(file, unpacked)
        os.unlink(path)
