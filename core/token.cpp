#include <steward/core/token.hpp>

#include <array>

#include <steward/core/errors.hpp>
#include <steward/core/limits.hpp>
#include <steward/core/reader.hpp>

namespace steward::detail::core {
namespace {

constexpr std::string_view kTextPrefix = "steward:1:";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string to_base64url(std::string_view data) {
  std::string text;
  text.reserve((data.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char byte : data) {
    bits = bits << 8U | static_cast<std::uint8_t>(byte);
    for (count += 8; count >= 6; count -= 6) text += kBase64[bits >> (count - 6) & 63U];
  }
  if (count > 0) text += kBase64[bits << (6 - count) & 63U];
  return text;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string data;
  data.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char letter : text) {
    const std::size_t digit = kBase64.find(letter);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = bits << 6U | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    data += static_cast<char>(bits >> count & 0xffU);
  }
  // One text for one token: a lone letter and bits that say nothing are refused.
  const bool canonical = count < 6 && (bits & ((1U << count) - 1)) == 0;
  return canonical ? std::optional(std::move(data)) : std::nullopt;
}

std::string bounded(std::string_view text, std::size_t limit, std::string_view what) {
  if (text.size() > limit) {
    throw BadCall("malformed handle: its " + std::string(what) + " is too long");
  }
  return std::string(text);
}

}  // namespace

void encode_token(Writer& out, const Token& token) {
  std::string payload;
  Writer writer(payload);
  writer.array(6);
  writer.bytes(token.incarnation.view());
  writer.natural(number(token.object));
  writer.string(token.type);
  writer.natural(token.flags);
  writer.array(token.addresses.size());
  for (const std::string& address : token.addresses) writer.string(address);
  if (token.nonce) {
    writer.bytes(token.nonce->view());
  } else {
    writer.nil();
  }
  out.extension(kHandleExtension, payload);
}

Token decode_token(std::string_view payload) {
  Reader reader(payload);
  reader.array_of(6);
  Token token;
  const auto incarnation = Incarnation::from(reader.bytes());
  if (!incarnation) throw BadCall("malformed handle: its incarnation is not 16 bytes");
  token.incarnation = *incarnation;
  token.object = ObjectId{reader.natural()};
  token.type = bounded(reader.string(), kTypeNameBytes, "type name");
  const std::uint64_t flags = reader.natural();
  if (flags > UINT32_MAX) throw BadCall("malformed handle: its flags do not fit 32 bits");
  token.flags = static_cast<std::uint32_t>(flags);
  const std::size_t addresses = reader.array();
  if (addresses > kAddressesInToken) throw BadCall("malformed handle: too many addresses");
  for (std::size_t i = 0; i < addresses; ++i) {
    token.addresses.push_back(bounded(reader.string(), kAddressBytes, "address"));
  }
  if (!reader.nil_if_next()) {
    token.nonce = Nonce::from(reader.bytes());
    if (!token.nonce) throw BadCall("malformed handle: its nonce is not 16 bytes");
  }
  reader.finish();
  return token;
}

std::string token_text(const Token& token) {
  std::string extension;
  Writer writer(extension);
  encode_token(writer, token);
  return std::string(kTextPrefix) + to_base64url(Reader(extension).extension().payload);
}

Token parse_token(std::string_view text) {
  if (!text.starts_with(kTextPrefix)) {
    throw BadCall("not a handle: the text must begin with \"" + std::string(kTextPrefix) + "\"");
  }
  const auto payload = from_base64url(text.substr(kTextPrefix.size()));
  if (!payload) throw BadCall("malformed handle: its text is not base64url");
  return decode_token(*payload);
}

std::string describe(const Token& token) {
  return token.type + "#" + std::to_string(number(token.object) & 0xffff'ffff'ffffU);
}

}  // namespace steward::detail::core
