# frozen_string_literal: true

# Mint session secrets with Rack, Rails and Devise.
#
# Writes kinds as JSON Lines for contexts.py. Lines marked "native" are what Ruby's own
# inspect makes of a parameter hash.

require "action_controller"
require "action_dispatch"
require "action_dispatch/middleware/cookies"
require "devise"
require "json"
require "rack/session/cookie"
require "rack/session/pool"
require "securerandom"

KEY = "corpus-key-not-used-anywhere-else" * 4
MANY = 10

def emit(**kind)
  puts JSON.generate(kind)
end

def several(count = MANY, &mint)
  Array.new(count, &mint)
end

# A hash holding the secret as Rails' log and Ruby's console show it.
def native(name, value)
  data = { "utf8" => "✓", name => value, "id" => SecureRandom.uuid }
  symbols = { user_id: 42, name.to_sym => value }
  [
    { context: "ruby-native-params", text: "  Parameters: #{data.inspect}", secrets: [value] },
    { context: "ruby-native-inspect", text: "D, [2026-03-02] DEBUG -- : #{symbols.inspect}", secrets: [value] },
    { context: "ruby-native-rails-parameters", text: ActionController::Parameters.new(data).inspect, secrets: [value] }
  ]
end

# A request with Rails' key derivation, to write cookies the way an application does.
def rails_request
  secret = ActiveSupport::CachingKeyGenerator.new(ActiveSupport::KeyGenerator.new(KEY, iterations: 1000))
  ActionDispatch::Request.new(
    Rack::MockRequest.env_for("https://www.example.com/").merge(
      "action_dispatch.key_generator" => secret,
      "action_dispatch.signed_cookie_salt" => "signed cookie",
      "action_dispatch.encrypted_cookie_salt" => "encrypted cookie",
      "action_dispatch.encrypted_signed_cookie_salt" => "signed encrypted cookie",
      "action_dispatch.authenticated_encrypted_cookie_salt" => "authenticated encrypted cookie",
      "action_dispatch.use_authenticated_cookie_encryption" => true,
      "action_dispatch.encrypted_cookie_cipher" => "aes-256-gcm",
      "action_dispatch.use_cookies_with_metadata" => true,
      "action_dispatch.cookies_serializer" => :json,
      "action_dispatch.cookies_rotations" => ActiveSupport::Messages::RotationConfiguration.new
    )
  )
end

def rails_cookie(name, value, jar)
  request = rails_request
  request.cookie_jar.public_send(jar)[name] = { value: value, httponly: true }
  headers = {}
  request.cookie_jar.write(headers)
  headers.fetch("Set-Cookie")[/\A#{Regexp.escape(name)}=([^;]*)/, 1]
end

def rack_cookie(app, number)
  env = Rack::MockRequest.env_for("/", "number" => number)
  header = app.call(env)[1].fetch("Set-Cookie")
  header[/\A[^=]+=([^;]*)/, 1]
end

rails = "actionpack #{ActionPack.version}"
rack = "rack #{Rack.release}"
devise = "devise #{Gem.loaded_specs["devise"]&.version || Gem::Specification.find_by_name("devise").version}"

session = lambda do |number|
  rails_cookie("_app_session",
               { "session_id" => SecureRandom.hex(16), "_csrf_token" => SecureRandom.base64(32), "user_id" => number },
               :encrypted)
end
emit(kind: "rails-session", made_by: rails, name: "_app_session", values: several(&session), carriers: ["cookie"],
     noun: "session", told_by_shape: true, named: 12, native: native("_app_session", session.call(99)))
emit(kind: "rails-signed-cookie", made_by: rails, name: "remember_token", carriers: ["cookie"], noun: "remember token",
     values: several { |number| rails_cookie("remember_token", "#{number}-#{SecureRandom.hex(8)}", :signed) },
     told_by_shape: true)
emit(kind: "rails-session-id", made_by: rails, name: "_session_id", values: several { SecureRandom.hex(16) },
     carriers: ["cookie"], noun: "session")

authenticity = -> { SecureRandom.base64(64) }
emit(kind: "rails-authenticity-token", made_by: "#{rails} (format)", name: "authenticity_token", header: "X-CSRF-Token",
     values: several { authenticity.call }, carriers: %w[field header], noun: "authenticity token", named: 12,
     native: native("authenticity_token", authenticity.call))

store = ->(env) { env["rack.session"]["user"] = env["number"] and [200, {}, []] }
by_cookie = Rack::Session::Cookie.new(store, secret: KEY)
by_pool = Rack::Session::Pool.new(store)
emit(kind: "rack-session-cookie", made_by: rack, name: "rack.session", values: several { |n| rack_cookie(by_cookie, n + 1) },
     carriers: ["cookie"], noun: "session", told_by_shape: true)
emit(kind: "rack-session-pool", made_by: rack, name: "rack.session", values: several { |n| rack_cookie(by_pool, n + 1) },
     carriers: ["cookie"], noun: "session")

emit(kind: "devise-reset-password", made_by: devise, name: "reset_password_token", carriers: ["field"], named: 12,
     values: several { Devise.friendly_token }, noun: "reset password token", native: native("reset_password_token", Devise.friendly_token))
emit(kind: "devise-confirmation", made_by: devise, name: "confirmation_token", carriers: ["field"],
     values: several { Devise.friendly_token }, noun: "confirmation token", named: 8, unnamed: 1)
emit(kind: "devise-unlock", made_by: devise, name: "unlock_token", carriers: ["field"],
     values: several { Devise.friendly_token }, noun: "unlock token", named: 6, unnamed: 1)
emit(kind: "devise-remember", made_by: devise, name: "remember_user_token", carriers: ["cookie"], told_by_shape: true,
     values: several { |n| rails_cookie("remember_user_token", [[n], Devise.friendly_token(20), "1772438400.123"], :signed) },
     noun: "remember token")
