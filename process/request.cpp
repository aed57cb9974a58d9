#include <steward/process/request.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <steward/core/auth.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/writer.hpp>
#include <steward/shm/poll.hpp>

namespace steward::detail::process {
namespace {

// Larger requests go through a memory file.
constexpr std::size_t kInlineBytes = 64U << 10U;

// The descriptors of a message in their order: the channel, then those that the flags announce.
enum Flag : std::uint32_t {
  kServer = 1,
  kMemory = 2,
  kDirectory = 4,
  kStandard = 8,  // and the next two bits: descriptors 0, 1, 2
  kSignal = 64,
  kHangUpIgnored = 128,
};

// How each message begins.
struct RequestHeader {
  std::uint32_t flags = 0;
  std::int32_t who = 0;     // the thread that asks; kSignal: the process that gets it
  std::int32_t signal = 0;  // kSignal: its number
  uid_t acting = 0;         // the effective user of who asks
};

void encode_identity(core::Writer& out, const Identity& identity) {
  out.string(identity.name);
  out.string(identity.numbers);
  out.boolean(identity.daemon);
  out.string(identity.parent->name());
  out.integer(identity.parent->pid());
  out.boolean(identity.parent->daemon());
}

Identity decode_identity(core::Reader& in) {
  Identity identity;
  identity.name = in.string();
  identity.numbers = in.string();
  identity.daemon = in.boolean();
  const std::string parent(in.string());
  const auto pid = static_cast<pid_t>(in.integer());
  identity.parent = ProcessInfo(parent, pid, in.boolean());
  return identity;
}

void encode_method(core::Writer& out, std::optional<StartMethod> method) {
  out.integer(method ? static_cast<int>(*method) : -1);
}

std::optional<StartMethod> decode_method(core::Reader& in) {
  const std::int64_t method = in.integer();
  if (method < 0) return std::nullopt;
  return static_cast<StartMethod>(method);
}

// Everything but the arguments, which may be too large to be copied for nothing.
std::string encode_head(const Request& request) {
  std::string head;
  core::Writer out(head);
  encode_address(out, request.entry);
  encode_identity(out, request.identity);
  encode_method(out, request.default_method);
  out.boolean(request.server);
  out.array(request.environment.size());
  for (const std::string_view variable : request.environment) out.bytes(variable);
  out.natural(request.files);
  return head;
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

bool ignores_hang_up() {
  struct sigaction action {};
  return ::sigaction(SIGHUP, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

// What the kernel is to confirm instead of the real user: root, if this process can become that.
std::optional<ucred> proof() {
  uid_t real = 0;
  uid_t effective = 0;
  uid_t saved = 0;
  ::getresuid(&real, &effective, &saved);
  if (real == 0 || (effective != 0 && saved != 0)) return std::nullopt;
  return ucred{::getpid(), 0, ::getgid()};
}

void send_by(int connection, std::string_view message, const std::vector<int>& fds,
             const std::optional<ucred>& sender, core::Deadline deadline) {
  for (;;) {
    try {
      return shm::send_with_fds(connection, message, fds, shm::Wait::none, sender);
    } catch (const SystemError& error) {
      if (error.code().value() != EAGAIN) throw;
      if (!shm::poll_until(connection, POLLOUT, deadline)) throw;
    }
  }
}

}  // namespace

void send_request(int connection, const Request& request, int channel, Encoding encoding,
                  core::Deadline deadline) {
  RequestHeader header{request.server ? kServer : 0U, ::gettid(), 0, ::geteuid()};
  if (ignores_hang_up()) header.flags |= kHangUpIgnored;
  std::vector<int> standard;
  // Before anything is opened here that could take the number of a closed one.
  for (int fd = 0; fd < 3; ++fd) {
    if (!is_open(fd)) continue;
    standard.push_back(fd);
    header.flags |= kStandard << static_cast<unsigned>(fd);
  }
  const std::string head = encode_head(request);
  std::vector<int> fds{channel};
  std::string message(sizeof header, '\0');
  const core::ErasedAtEnd erased(message);
  shm::UniqueFd memory;
  const bool small = head.size() + request.arguments.size() <= kInlineBytes;
  if (small && encoding == Encoding::by_size) {
    message.reserve(sizeof header + head.size() + request.arguments.size());
    message += head;
    message += request.arguments;
  } else {
    memory = sealed_memory({head, request.arguments});
    fds.push_back(memory.get());
    header.flags |= kMemory;
  }
  const shm::UniqueFd directory(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (directory) {
    fds.push_back(directory.get());
    header.flags |= kDirectory;
  }
  fds.insert(fds.end(), standard.begin(), standard.end());
  std::memcpy(message.data(), &header, sizeof header);
  send_by(connection, message, fds, proof(), deadline);
}

void send_request(int connection, const SignalRequest& request, core::Deadline deadline) {
  const RequestHeader header{kSignal, request.pid, request.number, 0};
  send_by(connection, {reinterpret_cast<const char*>(&header), sizeof header}, {}, std::nullopt,
          deadline);
}

void ask_for_sender(int connection) {
  const int on = 1;
  if (::setsockopt(connection, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) {
    throw SystemError(errno, "a process server cannot ask who its callers are");
  }
}

void send_files(int channel, const std::vector<int>& files) {
  for (auto next = files.begin(); next != files.end();) {
    const auto count = std::min<std::ptrdiff_t>(files.end() - next, shm::kMaxFdsPerMessage);
    shm::send_with_fds(channel, "f", std::vector<int>(next, next + count));
    next += count;
  }
}

std::vector<shm::UniqueFd> receive_files(int channel, std::size_t count) {
  std::vector<shm::UniqueFd> files;
  while (files.size() < count) {
    auto received = shm::receive_with_fds(channel, 1, shm::Wait::none);
    if (!received.message) throw BadCall("open files of a new process are not there");
    for (shm::UniqueFd& file : received.message->fds) files.push_back(std::move(file));
  }
  return files;
}

std::optional<IncomingRequest> receive_request(int connection) {
  RequestHeader header;
  auto received = shm::receive_with_fds(connection, sizeof header + kInlineBytes);
  if (!received.message) return std::nullopt;
  shm::FdMessage& message = *received.message;
  const core::ErasedAtEnd erased(message.bytes);
  if (message.bytes.size() < sizeof header || !received.sender) {
    throw BadCall("a request to start a process is cut");
  }
  std::memcpy(&header, message.bytes.data(), sizeof header);
  IncomingRequest request;
  const ucred& sender = *received.sender;
  request.starter = {sender.pid, header.who, sender.uid, sender.gid, header.acting};
  const std::uint32_t flags = header.flags;
  if ((flags & kSignal) != 0) {
    request.signal = {header.who, header.signal};
    return request;
  }
  std::size_t next = 0;
  const auto take = [&] {
    if (next == message.fds.size()) throw BadCall("a request to start a process lacks descriptors");
    return std::move(message.fds[next++]);
  };
  request.server = (flags & kServer) != 0;
  request.hang_up_ignored = (flags & kHangUpIgnored) != 0;
  request.channel = take();
  if ((flags & kMemory) != 0) request.memory = take();
  if ((flags & kDirectory) != 0) request.directory = take();
  for (unsigned fd = 0; fd < 3; ++fd) {
    if ((flags & (kStandard << fd)) != 0) request.standard[fd] = take();
  }
  request.bytes = message.bytes.substr(sizeof header);
  return request;
}

RequestBytes::RequestBytes(IncomingRequest& request) : inline_(std::move(request.bytes)) {
  if (request.memory) mapped_ = Mapping(request.memory.get());
}

Request RequestBytes::decode() const {
  const std::string_view bytes = mapped_.bytes().empty() ? inline_ : mapped_.bytes();
  core::Reader in(bytes);
  Request request;
  request.entry = decode_address(in);
  request.identity = decode_identity(in);
  request.default_method = decode_method(in);
  request.server = in.boolean();
  request.environment.resize(in.array());
  for (std::string_view& variable : request.environment) variable = in.bytes();
  request.files = in.natural();
  request.arguments = bytes.substr(in.position());
  return request;
}

}  // namespace steward::detail::process
