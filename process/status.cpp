#include <steward/process/status.hpp>

#include <cxxabi.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <span>
#include <typeinfo>
#include <utility>

#include <fmt/format.h>

#include <steward/core/limits.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/writer.hpp>

namespace steward::detail::process {
namespace {

struct StatusHeader {
  StatusKind kind;
  std::int32_t value;
};

template <class Exception>
bool is(const Error& error) {
  return dynamic_cast<const Exception*>(&error) != nullptr;
}

struct KnownError {
  bool (*matches)(const Error&);
  core::ErrorCode code;
};

constexpr std::array kKnownErrors{
    KnownError{is<BadCall>, core::ErrorCode::bad_call},
    KnownError{is<core::OutOfRange>, core::ErrorCode::out_of_range},
    KnownError{is<StaleHandle>, core::ErrorCode::stale_handle},
    KnownError{is<TimeoutError>, core::ErrorCode::timed_out},
    KnownError{is<Closed>, core::ErrorCode::closed},
    KnownError{is<NotOwner>, core::ErrorCode::not_owner},
    KnownError{is<Poisoned>, core::ErrorCode::poisoned},
    KnownError{is<BrokenBarrier>, core::ErrorCode::broken_barrier},
    KnownError{is<Overloaded>, core::ErrorCode::overloaded},
    KnownError{is<Disconnected>, core::ErrorCode::disconnected},
    KnownError{is<OutcomeUnknown>, core::ErrorCode::outcome_unknown},
    KnownError{is<AuthenticationError>, core::ErrorCode::authentication},
    KnownError{is<WorkerDied>, core::ErrorCode::worker_died},
};

core::ErrorCode code_of(const Error& error) {
  for (const KnownError& known : kKnownErrors) {
    if (known.matches(error)) return known.code;
  }
  return core::ErrorCode::remote;
}

// "std::logic_error" of "std::_Nested_exception<std::logic_error>"
std::string unwrapped(std::string name, std::string_view wrapper) {
  if (!name.starts_with(wrapper) || !name.ends_with('>')) return name;
  return name.substr(wrapper.size(), name.size() - wrapper.size() - 1);
}

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), std::free);
  std::string readable = status == 0 ? text.get() : name;
  // What a reader knows is the standard type that is wrapped here.
  for (const std::string_view wrapper :
       {"steward::detail::core::Thrown<", "std::_Nested_exception<"}) {
    readable = unwrapped(std::move(readable), wrapper);
  }
  return readable;
}

std::string current_type() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  return type != nullptr ? demangled(type->name()) : "an unknown exception";
}

// As the standard calls it, not the library: "std::__ios_failure", "...::failure[abi:cxx11]".
std::string current_type(const core::Standard& standard) {
  std::string type = current_type();
  const bool librarys = type.find("__") != std::string::npos || type.ends_with(']');
  return type.starts_with("std::") && librarys ? standard.name : type;
}

// Its own, and that of what it was nested around.
std::string text_of(const std::exception& error, int depth = 0) {
  constexpr int kDepthMax = 8;
  const char* own = error.what();
  std::string text = own != nullptr ? own : "";
  try {
    if (depth < kDepthMax) std::rethrow_if_nested(error);
  } catch (const std::exception& inner) {
    text += fmt::format(" (from {}: {})", current_type(core::standard_of(inner)),
                        text_of(inner, depth + 1));
  } catch (...) {
    text += fmt::format(" (from {})", current_type());
  }
  return text;
}

// A class of the program's may say nothing.
std::string own_text_of(const Error& error) {
  const char* own = error.what();
  return own != nullptr ? own : "";
}

// Of what is a std::exception, too.
core::Standard standard_of(const Error& error) {
  const auto* exception = dynamic_cast<const std::exception*>(&error);
  return exception != nullptr ? core::standard_of(*exception) : core::Standard{};
}

}  // namespace

void send_status(int channel, StatusKind kind, std::int32_t value, std::string_view text,
                 std::optional<int> fd, shm::Wait wait) {
  const StatusHeader header{kind, value};
  std::string bytes(sizeof header, '\0');
  std::memcpy(bytes.data(), &header, sizeof header);
  bytes += text;
  shm::send_with_fds(channel, bytes, fd ? std::span<const int>(&*fd, 1) : std::span<const int>(),
                     wait);
}

std::optional<Status> receive_status(int channel, shm::Wait wait) {
  StatusHeader header{};
  auto received = shm::receive_with_fds(channel, sizeof header + kStatusTextBytes, wait);
  if (!received.message || received.message->bytes.size() < sizeof header) return std::nullopt;
  shm::FdMessage& message = *received.message;
  std::memcpy(&header, message.bytes.data(), sizeof header);
  Status status{header.kind, header.value, message.bytes.substr(sizeof header), {}};
  if (!message.fds.empty()) status.fd = std::move(message.fds.front());
  return status;
}

void send_go(int channel) {
  try {
    shm::send_with_fds(channel, "g");
  } catch (const SystemError& error) {
    if (error.code().value() != EPIPE && error.code().value() != ECONNRESET) throw;
  }
}

bool await_go(int channel, int starter_pidfd) {
  std::array<pollfd, 2> entries{{{channel, POLLIN, 0}, {starter_pidfd, POLLIN, 0}}};
  while (::poll(entries.data(), entries.size(), -1) < 0) {
    if (errno != EINTR) throw SystemError(errno, "a process cannot wait for its starter");
  }
  char word = 0;
  return ::recv(channel, &word, 1, MSG_DONTWAIT) == 1;
}

void give_up(int channel) noexcept { ::shutdown(channel, SHUT_RDWR); }

ExceptionRecord record_exception() {
  try {
    throw;
  } catch (const RemoteError& error) {
    return {core::ErrorCode::remote, own_text_of(error), error.type_name(), standard_of(error)};
  } catch (const Error& error) {
    return {code_of(error), own_text_of(error), current_type(), standard_of(error)};
  } catch (const std::exception& error) {
    core::Standard standard = core::standard_of(error);
    std::string type = current_type(standard);
    return {core::ErrorCode::remote, text_of(error), std::move(type), std::move(standard)};
  } catch (const char* text) {
    return {core::ErrorCode::remote, text != nullptr ? text : "", current_type()};
  } catch (const std::string& text) {
    return {core::ErrorCode::remote, text, "std::string"};
  } catch (...) {
    return {core::ErrorCode::remote, "", current_type()};
  }
}

std::string pack_exception(const ExceptionRecord& failure) {
  std::string packed;
  core::Writer out(packed);
  const auto cut = [](std::string_view text) { return text.substr(0, core::kErrorTextBytes); };
  out.natural(static_cast<std::uint64_t>(failure.code));
  out.string(cut(failure.text));
  out.string(cut(failure.type));
  out.string(cut(failure.standard.name));
  out.string(cut(failure.standard.category));
  out.integer(failure.standard.value);
  return packed;
}

void throw_exception(std::string_view packed) {
  core::Reader in(packed);
  ExceptionRecord failure;
  failure.code = static_cast<core::ErrorCode>(in.natural());
  failure.text = in.string();
  failure.type = in.string();
  failure.standard.name = in.string();
  failure.standard.category = in.string();
  const std::int64_t value = in.integer();
  failure.standard.value = static_cast<int>(value);
  if (failure.standard.value != value) throw BadCall("an exception from a process is damaged");
  if (failure.code != core::ErrorCode::remote) core::throw_error(failure.code, failure.text);
  // What is no std::exception may say nothing about itself.
  if (failure.text.empty() && failure.standard.name.empty()) {
    failure.text = "an exception of the type " + failure.type;
  }
  core::throw_remote(failure.text, failure.type, failure.standard);
}

}  // namespace steward::detail::process
