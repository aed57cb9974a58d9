#include <steward/core/auth_entrance.hpp>

#include <unistd.h>

#include <new>
#include <string>

#include <steward/core/auth.hpp>
#include <steward/core/errors.hpp>

namespace steward::detail::core {
namespace {

constexpr std::string_view kZapVersion = "1.0";
// Version, request id, domain, address, routing id, mechanism, the client's key.
constexpr std::size_t kQuestionFrames = 7;

bool may_enter(const std::vector<std::string_view>& question,
               const std::array<std::uint8_t, 32>& client) {
  const std::string_view expected(reinterpret_cast<const char*>(client.data()), client.size());
  return question.size() == kQuestionFrames && question[0] == kZapVersion &&
         question[2] == kZapDomain && question[5] == "CURVE" &&
         equal_secrets(question[6], expected);
}

}  // namespace

void check_entrance(std::string_view who, const TcpAddress& address, std::string_view key) {
  if (address.is_loopback()) return;
  if (key.empty()) {
    throw BadCall(std::string(who) + " does not listen at " + address.text() +
                  " without a key, where everybody could call it: give it one (`steward keygen` "
                  "makes them), or listen at tcp://127.0.0.1:" + std::to_string(address.port));
  }
  if (!is_generated_key(key) && key.size() < kPassphraseBytes) {
    throw BadCall("the passphrase for " + address.text() + " has " + std::to_string(key.size()) +
                  " bytes, and needs " + std::to_string(kPassphraseBytes) +
                  ": who listens on the network may try many (`steward keygen` makes good keys)");
  }
}

std::string open_port_warning(std::string_view may) {
  return "steward: every user of this host may " + std::string(may) +
         ": give it a key to keep others out";
}

void warn_of_open_port(std::string_view may) noexcept {
  try {
    const std::string line = open_port_warning(may) + '\n';
    // In one piece, between the lines of other threads and processes.
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
  } catch (const std::bad_alloc&) {
    // It has other worries.
  }
}

std::array<std::string_view, 6> answer_zap(const std::vector<std::string_view>& question,
                                           const std::array<std::uint8_t, 32>& client) {
  const bool yes = may_enter(question, client);
  return {kZapVersion, question.size() > 1 ? question[1] : std::string_view(),
          yes ? "200" : "400", yes ? "OK" : "this key may not enter", "", ""};
}

}  // namespace steward::detail::core
