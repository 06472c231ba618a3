#include "host/supervise/launcher_syscalls.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

namespace outboard::supervise {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kArchitecture = 0;
#endif

constexpr uint32_t kX32 = 0x40000000;  // x86-64's second set of numbers
constexpr uint32_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr uint32_t kFirstArgument = offsetof(seccomp_data, args);  // its low half: little-endian

constexpr int kForbidden[] = {
    // Other processes.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_getfd,
    SYS_kcmp,
    // The tree of files.
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_quotactl,
    SYS_quotactl_fd,
    SYS_swapon,
    SYS_swapoff,
    // Namespaces; clone's are below.
    SYS_unshare,
    SYS_setns,
    // The kernel itself.
    SYS_bpf,
    SYS_perf_event_open,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_reboot,
    SYS_acct,
    SYS_syslog,
    SYS_userfaultfd,
    SYS_lookup_dcookie,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    // The machine's clock and name.
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_clock_adjtime,
    SYS_adjtimex,
    SYS_sethostname,
    SYS_setdomainname,
    // Keys of the kernel.
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_vhangup,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef SYS_iopl
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
};

// What programs try first and do without: clone3's flags lie in memory, where no filter sees them.
constexpr int kNotThere[] = {SYS_clone3, SYS_io_uring_setup};

constexpr uint32_t Refuse(int error) {
  return SECCOMP_RET_ERRNO | (static_cast<uint32_t>(error) & SECCOMP_RET_DATA);
}

class Filter {
 public:
  // What every filter begins with: a program of another architecture has other numbers.
  Filter() {
    Load(offsetof(seccomp_data, arch));
    Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0));
    Add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
    Load(offsetof(seccomp_data, nr));
    if (kArchitecture == AUDIT_ARCH_X86_64) {
      Add(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32, 0, 1));
      Add(BPF_STMT(BPF_RET | BPF_K, Refuse(ENOSYS)));
    }
  }

  void RefuseCall(int number, int error) {
    Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1));
    Add(BPF_STMT(BPF_RET | BPF_K, Refuse(error)));
  }

  // Refuses `number` where its first argument has any of `bits`.
  void RefuseBits(int number, uint32_t bits, int error) {
    Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 4));
    Load(kFirstArgument);
    Add(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
    Add(BPF_STMT(BPF_RET | BPF_K, Refuse(error)));
    Load(offsetof(seccomp_data, nr));
  }

  // Refuses `number` where its first argument is not `value`.
  void RefuseUnless(int number, uint32_t value, int error) {
    Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 4));
    Load(kFirstArgument);
    Add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0));
    Add(BPF_STMT(BPF_RET | BPF_K, Refuse(error)));
    Load(offsetof(seccomp_data, nr));
  }

  // For good. 0 or errno.
  int Install() {
    Add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    if (kArchitecture == 0) return ENOSYS;
    const sock_fprog program = {static_cast<unsigned short>(size_), code_};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0 ? 0 : errno;
  }

 private:
  void Load(size_t offset) {
    Add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)));
  }
  void Add(const sock_filter& instruction) { code_[size_++] = instruction; }

  int size_ = 0;
  sock_filter code_[256];
};

static_assert(2 * (sizeof(kForbidden) / sizeof(int) + sizeof(kNotThere) / sizeof(int)) + 16 <= 256);

}  // namespace

int ForbidSyscalls() {
  Filter filter;
  for (const int number : kForbidden) filter.RefuseCall(number, EPERM);
  for (const int number : kNotThere) filter.RefuseCall(number, ENOSYS);
  filter.RefuseBits(SYS_clone, kNewNamespaces, EPERM);
  return filter.Install();
}

int ForbidOtherSockets() {
  Filter filter;
  filter.RefuseUnless(SYS_socket, AF_UNIX, EAFNOSUPPORT);
  filter.RefuseUnless(SYS_socketpair, AF_UNIX, EAFNOSUPPORT);
  filter.RefuseCall(SYS_io_uring_setup, ENOSYS);
  return filter.Install();
}

}  // namespace outboard::supervise
