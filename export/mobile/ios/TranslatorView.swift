// Not compiled here.
import SwiftUI

/// One text field, one button, one translation.
struct TranslatorView: View {
    @State private var source = ""
    @State private var target = ""
    @State private var busy = false

    var body: some View {
        Form {
            TextField("Text to translate", text: $source, axis: .vertical)
            Button("Translate", action: translate).disabled(busy)
            Text(target).textSelection(.enabled)
        }
    }

    private func translate() {
        busy = true
        Task {
            defer { busy = false }
            do {
                target = try await TheTranslator.shared.translator().translate(source).text
            } catch {
                target = error.localizedDescription
            }
        }
    }
}

/// Opens the bundle once, off the main thread.
actor TheTranslator {
    static let shared = TheTranslator()
    private var open: Translator?

    func translator() throws -> Translator {
        if let open { return open }
        // The bundle is a folder reference in the app, so its files keep their names.
        guard let folder = Bundle.main.url(forResource: "bundle", withExtension: nil) else {
            throw TranslatorError(errorDescription: "The app has no folder `bundle`.")
        }
        let made = try Translator(folder: folder, quantization: "dynamic_int8")
        open = made
        return made
    }
}
