"""What programs need that .ci/unpack has unpacked."""
import glob


def library_path(folder):
    """Returns the value of LD_LIBRARY_PATH for the programs that were unpacked into a folder."""
    return ":".join(sorted(glob.glob(folder + "/usr/lib/*-linux-gnu") + glob.glob(folder + "/lib/*-linux-gnu")))
