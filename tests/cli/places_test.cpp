// Where sockets go when the usual places cannot be used: a manager comes up, and programs with
// another environment use its address as it is.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <steward/tests/cli/shell.hpp>
#include <steward/tests/sanitized.hpp>

namespace steward::detail::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

// In a mount namespace of its own.
class Places : public ShellTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root mounts file systems";
    if (kThreadSanitized) GTEST_SKIP() << "the sanitizer's list of suppressions is not there";
    if (run({"/usr/bin/unshare", "-m", "/bin/true"}).code != 0) {
      GTEST_SKIP() << "mount namespaces are not allowed here";
    }
  }

  // Prints the address of a manager that is started after `mounts`, and what a program with no
  // variables at all reads there.
  Ran served(const std::string& mounts, const std::vector<std::string>& variables = {}) {
    const std::string script =
        "S=" STEWARD_PROGRAM "; D='" + directory() + "'\n" + mounts + R"sh(
        address=$("$S" serve --background) || exit
        echo "${address%/steward-*}"
        env -i "$S" create "$address" list --name l '[1, 2]' >&2 || exit
        env -i "$S" call "$address" l copy
        "$S" stop "$address"
        "$S" list || [ $? = 1 ]  # some other program's manager may be silent
      )sh";
    std::vector<std::string> all{"XDG_RUNTIME_DIR", "TMPDIR"};
    all.insert(all.end(), variables.begin(), variables.end());
    return run({"/usr/bin/unshare", "-m", "--propagation", "private", "/bin/bash", "-c", script},
               all);
  }

  void expect_in(const std::string& base, const Ran& ran) {
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_THAT(ran.out, StartsWith("ipc://" + base + "\n[1, 2]\n")) << ran.err;
  }
};

constexpr const char* kTmpReadOnly = "mount --bind /tmp /tmp; mount -o remount,ro,bind /tmp\n";

TEST_F(Places, TmpIsReadOnly) {
  expect_in("/var/tmp", served(kTmpReadOnly));
  expect_in("/dev/shm", served(kTmpReadOnly, {"TMPDIR=/dev/shm"}));
}

TEST_F(Places, TheChosenDirectoryIsReadOnly) {
  const std::string mounts =
      "mkdir -m 700 $D/run; mount --bind $D/run $D/run; mount -o remount,ro,bind $D/run\n";
  expect_in("/tmp", served(mounts, {"TMPDIR=" + directory() + "/run"}));
}

TEST_F(Places, TheChosenDirectoryIsFull) {
  const std::string mounts =
      "mkdir -m 700 $D/run; mount -t tmpfs -o size=4k,nr_inodes=1,mode=700 x $D/run\n";
  expect_in("/tmp", served(mounts, {"TMPDIR=" + directory() + "/run"}));
}

TEST_F(Places, TheRootIsReadOnly) {
  const std::string mounts =
      "for d in / /tmp /var/tmp; do mount --bind $d $d; mount -o remount,ro,bind $d; done\n";
  expect_in("/dev/shm", served(mounts));
}

TEST_F(Places, TmpIsMissing) {
  const std::string mounts = R"sh(
    root=$D/root; mkdir $root; mount -t tmpfs x $root
    for d in usr lib lib64 bin etc dev proc; do
      [ -e /$d ] && mkdir $root/$d && mount --rbind /$d $root/$d
    done
    cp $S $root/p
    run() { chroot $root /p "$@"; }
    address=$(run serve --background) || exit
    echo "${address%/steward-*}"
    run create "$address" list --name l '[1, 2]' >&2
    run call "$address" l copy
    run stop "$address"
    exit
  )sh";
  expect_in("/dev/shm", served(mounts));
}

TEST_F(Places, ThereIsNone) {
  const std::string mounts = R"sh(
    for d in /tmp /var/tmp /dev/shm; do mount --bind $d $d; mount -o remount,ro,bind $d; done
  )sh";
  const Ran ran = served(mounts, {"XDG_RUNTIME_DIR=/nowhere", "TMPDIR=/nowhere/else"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("no directory can hold a manager's sockets (TMPDIR=/nowhere"
                                 "/else: No such file or directory, /tmp: Read-only file system, "
                                 "/var/tmp: Read-only file system, /dev/shm: Read-only file "
                                 "system, XDG_RUNTIME_DIR=/nowhere: No such file or directory, "));
  EXPECT_THAT(ran.err, HasSubstr("): set TMPDIR to one that this user can write to"));
}

// The names of managers stand in the next place, too, and what another user has put there is passed
// over.
TEST_F(Places, NamesHaveAPlaceToo) {
  const std::string squat =
      "mount -t tmpfs x /tmp; mkdir /tmp/steward-0; chown 65534 /tmp/steward-0\n";
  for (const std::string& mounts : {std::string(kTmpReadOnly), squat}) {
    const Ran moved = run({"/usr/bin/unshare", "-m", "--propagation", "private", "/bin/bash", "-c",
                           mounts + "mount -t tmpfs x /var/tmp; S=" STEWARD_PROGRAM
                           "; $S serve --background --name places && "
                           "$S list 2>/dev/null | cut -f 5 | grep places && "
                           "$S stop places; $S ls places"});
    EXPECT_EQ(moved.out, "ipc:///var/tmp/steward-0/places.sock\nplaces\n") << moved.err;
    EXPECT_EQ(moved.err, "steward: no manager named 'places' is running" +
                             std::string(mounts == squat ? " (passed over: /tmp/steward-0 belongs "
                                                           "to user 65534)\n"
                                                         : "\n"));
  }
}

// A container that shares the directory of the path and no other.
TEST_F(Places, APathWhoseManagerCannotBeSeenSaysSo) {
  const std::string path = "ipc://" + directory() + "/my.sock";
  fs::create_directory(directory() + "/run");
  ::chmod((directory() + "/run").c_str(), 0700);
  const Ran ran = run({"/usr/bin/unshare", "-m", "--propagation", "private", "/bin/bash", "-c",
                       "S=" STEWARD_PROGRAM "; P=" + path + "; $S serve --background --address $P "
                       "|| exit; unshare -m bash -c \"mount -t tmpfs x '" + directory() +
                       "/run'; $S ls $P\"; $S stop $P"},
                      {"TMPDIR=" + directory() + "/run"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("the manager at " + path + " has its socket at ipc://" +
                                 directory() + "/run/steward-"));
}

TEST_F(Places, AnyCharacterMayBeInTheirNames) {
  for (const std::string name : {"what?", "a b", "a?boot=1", "#50%"}) {
    fs::create_directory(directory() + "/" + name);
    ::chmod((directory() + "/" + name).c_str(), 0700);
    expect_in(directory() + "/" + name,
              served("", {"TMPDIR=" + directory() + "/" + name}));
  }
}

}  // namespace
}  // namespace steward::detail::test
