# SPDX-License-Identifier: BSD-2-Clause
"""The virtual machine: what it starts with, and qemu."""

import contextlib
import glob
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

from cards import with_cards
from debian import TREE, Unavailable, own_out, root
from kernel import KERNELS as WORK

HERE = os.path.dirname(os.path.abspath(__file__))
TIMED_OUT = 124

# Loaded before the root file system is there, with what they depend on.
BOOT_MODULES = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"]


def cpio_entry(name, mode, data=b""):
    """One file of an initramfs: the `newc` format of Documentation/driver-api/early-userspace."""
    path = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    entry = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    entry += b"\0" * (-len(entry) % 4) + data
    return entry + b"\0" * (-len(entry) % 4)


def make_initramfs(path, kernel):
    """busybox, tools/vm/init, the modules it loads in this order, and where it mounts things."""
    archive = b""
    for name in ("bin", "dev", "host", "layer", "modules", "new", "proc", "sys"):
        archive += cpio_entry(name, 0o040755)
    for name, source in (("bin/busybox", shutil.which("busybox") or "/bin/busybox"),
                         ("init", os.path.join(HERE, "init"))):
        with open(source, "rb") as file:
            archive += cpio_entry(name, 0o100755, file.read())
    for number, module in enumerate(kernel.insmod_order(BOOT_MODULES)):
        with open(module, "rb") as file:
            archive += cpio_entry(f"modules/{number:02}-{os.path.basename(module)}", 0o100644,
                                  file.read())
    with open(path, "wb") as file:
        file.write(archive + cpio_entry("TRAILER!!!", 0))


def write_job(path, options, kernel):
    """What process 1 of the machine runs once its root is there: tools/vm/guest finds it."""
    variables = {"MODULES": kernel.modules, "CARDS": str(len(options.cards)),
                 "WORKING_DIRECTORY": os.getcwd(), "COMMAND": shlex.join(options.command),
                 "SYSTEMD": "yes" if options.systemd else ""}
    with open(path, "w", encoding="utf-8") as file:
        for name, value in variables.items():
            file.write(f"{name}={shlex.quote(value)}\n")
        # What the caller set for the tests.
        for name, value in os.environ.items():
            if name.startswith(("MCASTD_", "PYTEST_")):
                file.write(f"export {name}={shlex.quote(value)}\n")


def seen(options):
    """The words of the kernel's command line that say what of this machine the guest sees."""
    if not options.root:
        return []
    binds = [(TREE, TREE), (own_out(options.root), os.path.join(TREE, "out")), (WORK, WORK)]
    return [f"vm.root={root(options.root)}", *(f"vm.bind={source}:{target}"
                                              for source, target in binds)]


def emulator(name):
    """qemu: that of this machine, or of another Debian's root, with the libraries there."""
    program = "qemu-system-x86_64"
    if not name:
        return [program]
    files = os.path.join(root(name), "usr")
    (libraries,) = glob.glob(os.path.join(files, "lib", "*-linux-gnu"))
    if not os.path.exists(os.path.join(files, "bin", program)):
        raise Unavailable(f"no qemu in the root of {name}: tools/root {name} make deps-vm")
    return [os.path.join(libraries, "ld-linux-x86-64.so.2"), "--library-path", libraries,
            os.path.join(files, "bin", program), "-L", os.path.join(files, "share", "qemu"),
            "-L", os.path.join(files, "share", "seabios")]


def qemu_argv(options, kernel, job_dir, log):
    words = ["console=ttyS0", "panic=-1", "mitigations=off", *seen(options), *options.parameters,
             f"vm.guest={os.path.join(HERE, 'guest')}", f"vm.job={os.path.join(job_dir, 'job')}"]
    monitor = f"socket,path={os.path.join(job_dir, 'monitor')}"
    return [*emulator(options.qemu), "-nodefaults", "-no-reboot", "-display", "none",
            "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off",
            "-smp", str(options.cpus), "-m", f"{options.memory}M",
            "-kernel", kernel.image,
            "-initrd", os.path.join(job_dir, "initramfs"),
            "-append", " ".join(words), "-serial", f"file:{log}",
            "-device", "virtio-serial-pci",
            "-chardev", "stdio,id=output,signal=off",
            "-device", "virtserialport,chardev=output,name=output",
            "-chardev", f"file,id=status,path={os.path.join(job_dir, 'status')}",
            "-device", "virtserialport,chardev=status,name=status",
            # qemu listens to the guest (QMP): to take off a card, or its carrier.
            "-chardev", f"{monitor},id=monitor,server=on,wait=off",
            "-mon", "chardev=monitor,mode=control",
            "-chardev", f"{monitor},id=monitor-port",
            "-device", "virtserialport,chardev=monitor-port,name=monitor",
            "-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,"
                       "multidevs=remap"]


def run(options, kernel):
    """Starts the machine and waits for it; returns the exit status to give."""
    with contextlib.ExitStack() as stack:
        # In the cache, not /tmp: the machine sees it in its root.
        job_dir = stack.enter_context(tempfile.TemporaryDirectory(prefix="job-", dir=WORK))
        log = os.path.join(WORK, f"kernel-{os.getpid()}.log")
        write_job(os.path.join(job_dir, "job"), options, kernel)
        make_initramfs(os.path.join(job_dir, "initramfs"), kernel)
        argv = with_cards(qemu_argv(options, kernel, job_dir, log), options.cards)
        try:
            # Input that never comes: at its end qemu would take the output port for closed too.
            machine = stack.enter_context(subprocess.Popen(argv, stdin=subprocess.PIPE))
        except FileNotFoundError:
            raise Unavailable("qemu-system-x86_64 is not installed: make deps-vm") from None
        try:
            machine.wait(options.timeout)
        except subprocess.TimeoutExpired:
            print(f"vm: not done after {options.timeout} s, killed; the kernel's log is {log}",
                  file=sys.stderr)
            return TIMED_OUT
        finally:
            machine.kill()
        with contextlib.suppress(FileNotFoundError, ValueError), \
                open(os.path.join(job_dir, "status"), "rb") as file:
            result = int(file.read())
            os.unlink(log)
            return result
    with contextlib.suppress(FileNotFoundError), open(log, errors="replace",
                                                      encoding="utf-8") as file:
        sys.stderr.writelines(file.readlines()[-30:])
    raise Unavailable(f"the machine ended before the command did; the kernel's log is {log}")
